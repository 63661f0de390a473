/** A pass that ends as kill -9 ends it: right after a request to the CA, whose answer nobody reads; nothing happens then. */
import type { Bucket } from '#storage/bucket.ts';
import type { Transport } from '../../../lambda/acme/transport.ts';
import { http01Solver } from '../../../lambda/challenge/http01.ts';
import type { PassOptions } from '../../../lambda/pass.ts';
import { onlySolver } from './only-solver.ts';
import type { CaStage } from './stage.ts';

export interface CutPass {
  pass(certificates: object[], options?: PassOptions): Promise<void>;
  /** It has come so far. */
  isCut(): boolean;
}

/** @param call the number of the last request */
export function cutAfter(stage: CaStage, call: number): CutPass {
  let calls = 0;
  const isCut = () => calls >= call;
  const live = <T>(work: () => Promise<T>): Promise<T> =>
    isCut() ? Promise.reject(new Error('the pass is cut')) : work();
  const exchange: Transport = (...request) =>
    live(async () => {
      calls += 1;
      const answer = await stage.exchange(...request);
      return live(async () => answer);
    });
  const bucket: Bucket = new Proxy(stage.bucket, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...given: unknown[]) => live(async () => Reflect.apply(member, target, given));
    },
  });
  const pass = async (certificates: object[], options: PassOptions = {}) => {
    const changes = { bucket, solvers: onlySolver(http01Solver(bucket)), cas: stage.casBy(exchange, bucket) };
    await stage.pass(certificates, options, changes).catch((error: Error) => {
      if (!isCut()) throw error;
    });
  };
  return { pass, isCut };
}
