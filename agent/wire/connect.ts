/** Connects to a bind of this machine, and to nothing else. */
import { connect, isIP, type LookupFunction, type NetConnectOpts, type Socket } from 'node:net';
import { HandshakeFailed, type HandshakeTarget } from '../errors.ts';
import { type BindAddress, parseAddress } from './address.ts';
import { localAddressesOf } from './local.ts';
import { Unprovable } from './unprovable.ts';

/** A bind, ready to be connected to. */
export interface LocalBind {
  takesProxy: boolean;
  open: () => Socket;
}

/** @throws Unprovable, HandshakeFailed `ERR_HANDSHAKE_CONNECT`: its name cannot be resolved */
export async function localBindOf(target: HandshakeTarget): Promise<LocalBind> {
  const bind = parseAddress(target.address);
  if (bind === undefined) {
    throw new Unprovable('not-askable', target.address, 'a TLS client cannot connect to such an address');
  }
  const options = await optionsFor(bind, target);
  return { takesProxy: bind.takesProxy, open: () => connect(options) };
}

async function optionsFor(bind: BindAddress, target: HandshakeTarget): Promise<NetConnectOpts> {
  if (bind.kind === 'unix') return { path: bind.path };
  const { host, port } = bind;
  const local = await localAddressesOf(host).catch((cause: NodeJS.ErrnoException) => {
    const detail = `${cause.code}: the name cannot be resolved; set haproxy.handshake to IP addresses`;
    throw new HandshakeFailed('ERR_HANDSHAKE_CONNECT', target, detail, { cause });
  });
  if (local.length > 0) return { host, port, lookup: lookupIn(local) };
  const detail = `${host} is no address of this machine now (a virtual address that another host holds?): a handshake would show what another host serves`;
  throw new Unprovable('not-here', target.address, detail);
}

/** A name may have addresses of other machines, too. */
function lookupIn(local: readonly string[]): LookupFunction {
  const addresses = local.map((address) => ({ address, family: isIP(address) }));
  return (_host, { all }, callback) => {
    const [first] = addresses;
    if (all) callback(null, addresses);
    else callback(null, first?.address ?? '', first?.family);
  };
}
