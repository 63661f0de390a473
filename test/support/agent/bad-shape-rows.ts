// What HAProxy takes without a word, or reads in its own way: order, kinds of keys, chains that lead nowhere.
import { createPrivateKey } from 'node:crypto';
import { createPki } from '../parts/pki.ts';
import { badPem, type Row } from './bad-pem-rows.ts';

const sec1 = (keyPem: string) => createPrivateKey(keyPem).export({ type: 'sec1', format: 'pem' }).toString();

export const shapeRows: Row[] = [
  {
    says: 'the key stands first',
    code: 'ERR_PEM_SYNTAX',
    spoil: badPem(({ leafPem, chainPem, keyPem }) => keyPem + leafPem + chainPem.join('')),
  },
  {
    says: 'the key stands between leaf and chain',
    code: 'ERR_PEM_SYNTAX',
    spoil: badPem(({ leafPem, chainPem, keyPem }) => leafPem + keyPem + chainPem.join('')),
  },
  {
    says: 'there is text between the blocks',
    code: 'ERR_PEM_SYNTAX',
    spoil: badPem(
      ({ leafPem, chainPem, keyPem }) => `${leafPem}Bag Attributes\n${chainPem.join('')}${keyPem}`,
    ),
  },
  {
    says: 'there is no key',
    code: 'ERR_PEM_KEY',
    spoil: badPem(({ leafPem, chainPem }) => leafPem + chainPem.join('')),
  },
  {
    says: 'there is only a key',
    code: 'ERR_PEM_SYNTAX',
    spoil: badPem(({ keyPem }) => keyPem),
  },
  { says: 'there is something else', code: 'ERR_PEM_SYNTAX', spoil: badPem(() => 'garbage!\n') },
  {
    says: 'the key is of the old kind',
    code: 'ERR_PEM_KEY',
    spoil: badPem(({ leafPem, chainPem, keyPem }) => leafPem + chainPem.join('') + sec1(keyPem)),
  },
  {
    says: "the chain is another CA's",
    code: 'ERR_PEM_CHAIN',
    spoil: badPem(async ({ leafPem, keyPem }) => leafPem + (await createPki()).intermediatePem + keyPem),
  },
  {
    says: 'the chain ends with the root',
    code: 'ERR_PEM_CHAIN',
    spoil: badPem(
      ({ leafPem, chainPem, keyPem }, { pki }) => leafPem + chainPem.join('') + pki.rootPem + keyPem,
      { chainLength: 3 },
    ),
  },
];
