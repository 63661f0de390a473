/** Proves control of every identifier of an order: present all, respond to and poll each in its turn, clean up all. */
import { happenedAt } from '#common/clock.ts';
import { MINUTE_MS, SECOND_MS } from '#common/time.ts';
import { messageOf } from '#contract/errors.ts';
import type { CertificateName } from '#contract/layout.ts';
import { respond, waitValid } from '../acme/authorization.ts';
import type { AcmeClient } from '../acme/client.ts';
import type { Order } from '../acme/order.ts';
import { AuthorizationFailed, joinFailures } from '../acme/problem.ts';
import { CHALLENGES } from '../config/challenge.ts';
import type { Pass } from '../pass.ts';
import { type OpenChallenge, openChallenges } from './choose-challenge.ts';
import type { Driven } from './open-order.ts';
import { preferredChallenge } from './preferred-challenge.ts';
import type { LegRecord } from './record.ts';

/** Every known CA has validated by then. Beyond it the CA, or the name, has failed, and the attempt with it. */
const LONGEST_VALIDATION_MS = 5 * MINUTE_MS;
/** For a resumed order, whose challenges may be validated anew, however long ago the first try was. */
const SHORTEST_TRY_MS = 30 * SECOND_MS;

/** @throws AuthorizationFailed naming each identifier; AcmeStuck, or AcmeDeadline if the CA takes longer than there is time */
export async function authorize(pass: Pass, { client, leg, isHurried }: Driven, order: Order): Promise<void> {
  const { timing } = pass;
  const challenge = preferredChallenge(leg.challenges, leg.record.challengeFailures);
  if (challenge === undefined) throw new TypeError(`${leg.certificate} is configured without a challenge`);
  leg.useChallenge(challenge);
  const solver = await pass.solvers.of(challenge);
  const open = await openChallenges(client, leg, order, solver.type);
  const presented = open.map((item) => item.presented);
  let mayBeLookedAt = false;
  // Saved before anything is presented, so that a killed pass leaves nothing unnamed. Where this fails, another
  // pass drives the order: its answers, which are the same, are not ours to remove.
  const respondedAt = happenedAt(leg.respondedAt, timing.now());
  const kept = solver.leavesNothing ? [] : presented.map((answer) => ({ ...answer, challenge }));
  const others = othersBeside(kept, leg.presented);
  if (open.length > 0) await leg.save({ presented: [...others, ...kept], respondedAt });
  try {
    if (open.length === 0) return;
    await solver.present(presented);
    const identifiers = presented.map((challenge) => challenge.identifier);
    pass.log('challenge.presented', { certificate: leg.certificate, type: solver.type, identifiers });
    mayBeLookedAt = true;
    await prove(pass, client, open, { respondedAt, isHurried });
    mayBeLookedAt = false;
  } catch (error) {
    if (error instanceof AuthorizationFailed) mayBeLookedAt = false;
    throw error;
  } finally {
    // Out of time, cut off, or after an error of its own, the CA may still look. The next pass presents the same
    // answers and removes them; removing them now would make the order invalid. Nobody looks at those of earlier orders.
    const left = await cleanUp(pass, leg.certificate, mayBeLookedAt ? others : [...others, ...kept]);
    leg.keepAnswers(mayBeLookedAt ? [...left, ...kept] : left);
  }
}

/** Where removals fail for long, the oldest are given up: a record may have 1 MiB, and has to have room for the next order. */
const MAX_OTHERS = 500;

/** Answers of earlier passes, which did not come to remove them, or of authorizations that are valid by now. */
function othersBeside(kept: LegRecord['presented'], earlier: LegRecord['presented']): LegRecord['presented'] {
  const tokens = new Set(kept.map(({ token }) => token));
  return earlier.filter(({ token }) => !tokens.has(token)).slice(-MAX_OTHERS);
}

async function prove(
  { timing }: Pass,
  client: AcmeClient,
  open: readonly OpenChallenge[],
  { respondedAt, isHurried }: { respondedAt: Date; isHurried: boolean },
): Promise<void> {
  const isLast = isHurried || timing.now().getTime() - respondedAt.getTime() >= LONGEST_VALIDATION_MS;
  const validate = ({ authorization, challenge }: OpenChallenge) =>
    client.validations.inTurn(async (turn) => {
      await respond(client, challenge);
      const times = [respondedAt.getTime() + LONGEST_VALIDATION_MS, timing.now().getTime() + SHORTEST_TRY_MS];
      const until = new Date(Math.max(...times));
      await waitValid(client, authorization, timing, { challenge, until, isLast, turn });
    });
  await all(open.map(validate));
}

/**
 * Removes each answer once, by the solver that has presented it, whatever is configured now. The proof stands: an answer that stays
 * behind is logged, and fails no certificate.
 * @returns those that may have stayed behind
 */
export async function cleanUp(
  { config, solvers, log }: Pass,
  certificate: CertificateName,
  challenges: LegRecord['presented'],
): Promise<LegRecord['presented']> {
  const left: LegRecord['presented'] = [];
  const [ofOldRecords] = config.challenge;
  const distinct = new Map(challenges.map((answer) => [answer.token, answer]));
  for (const challenge of CHALLENGES) {
    const answers = [...distinct.values()].filter(
      (answer) => (answer.challenge ?? ofOldRecords) === challenge,
    );
    try {
      if (answers.length > 0) await (await solvers.of(challenge)).cleanUp(answers);
    } catch (error) {
      log('challenge.leftover', { certificate, error: messageOf(error) });
      left.push(...answers);
    }
  }
  return left;
}

/**
 * Waits for all before it fails, so that no request is under way when the answers are removed.
 * @throws AuthorizationFailed of all names that failed, before any other failure: the order stands and falls with them
 */
async function all(work: Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  const reasons = results.flatMap((result) =>
    result.status === 'rejected' ? [result.reason as unknown] : [],
  );
  const failed = reasons.filter((reason) => reason instanceof AuthorizationFailed);
  if (failed.length > 0) throw joinFailures(failed);
  if (reasons.length > 0) throw reasons[0];
}
