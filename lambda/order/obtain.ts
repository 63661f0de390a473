/**
 * Takes one leg of an order record to a verified combined PEM. Every step first asks the CA how far the order is, so
 * the next pass continues a pass that was killed anywhere, with the same key and the same order.
 */
import { downloadChain } from '../acme/chain.ts';
import type { Order } from '../acme/order.ts';
import { AuthorizationFailed, NoAcmeAnswer, OrderSpent } from '../acme/problem.ts';
import type { CaAccount } from '../ca/ca.ts';
import type { Pass } from '../pass.ts';
import { authorize, cleanUp } from './authorize.ts';
import { issue } from './issue.ts';
import type { OrderLeg } from './leg.ts';
import { type Driven, openOrder, replaceOrder } from './open-order.ts';
import { checkPersistRecords } from './persist-terms.ts';
import { type Obtained, verifyIssued } from './verify-issued.ts';

export async function obtain(
  pass: Pass,
  { client, settings }: CaAccount,
  leg: OrderLeg,
  options: Pick<Driven, 'claimedOrders' | 'isHurried'>,
): Promise<Obtained> {
  const { preferredChain } = settings;
  const driven = { ...options, log: pass.log, client, leg };
  const { url, certificate } = await drive(pass, driven);
  if (certificate === undefined) throw new NoAcmeAnswer(`order ${url} is valid without a certificate`);
  const chain = await downloadChain(client, certificate, preferredChain);
  if (!chain.isPreferred) pass.log('chain.not-offered', { certificate: leg.certificate, preferredChain });
  return verifyIssued(chain.pems, leg, settings, { now: pass.timing.now, caNow: () => client.caNow() });
}

/** An order that is spent is replaced once. */
async function drive(pass: Pass, driven: Driven): Promise<Order> {
  if (driven.leg.orderUrl === undefined) await checkPersistRecords(pass, driven.client, driven.leg);
  const order = await openOrder(driven);
  try {
    return await complete(pass, driven, order);
  } catch (error) {
    if (!(error instanceof OrderSpent)) throw error;
    return complete(pass, driven, await replaceOrder(driven, error.message));
  }
}

/** Proves control of the names, finalizes, and waits for the certificate. @throws AuthorizationFailed */
async function complete(pass: Pass, driven: Driven, opened: Order): Promise<Order> {
  const { leg } = driven;
  if (opened.status === 'pending') await authorize(pass, driven, opened);
  else leg.keepAnswers(await cleanUp(pass, leg.certificate, leg.presented));
  const order = await issue(pass, driven, opened);
  if (order.status === 'valid') return order;
  throw new AuthorizationFailed(leg.record.identifiers.join(', '), 'the order is invalid', order.error);
}
