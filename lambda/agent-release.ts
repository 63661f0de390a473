/**
 * Handler of the Lambda that CloudFormation calls when a deployment brings a release of the agent: the tarballs lie beside this program, and go
 * to pemfleet's own bucket, where the former release stays. User data and roles of hosts need not change for it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { answerCustomResource, isCustomResourceEvent } from '#common/net/custom-resource.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { HostBucket } from '#storage/bucket.ts';
import { openWithoutSdk } from '#storage/open-without-sdk.ts';
import { publishAgentRelease } from './agents/publish-release.ts';

/** The rights of a role that was just made need some time until all of AWS knows them. */
const [ATTEMPTS, PAUSE_MS] = [8, 15_000];

/** @throws Error what failed the deployment, for the log */
export async function handler(event: unknown): Promise<void> {
  if (!isCustomResourceEvent(event)) throw new TypeError('wanted a request of CloudFormation');
  const answer = { physicalId: 'agent-release' };
  try {
    // What hosts may be fetching stays.
    if (event.RequestType !== 'Delete') {
      const { LAMBDA_TASK_ROOT: folder = '.', PEMFLEET_BUCKET: bucket = '' } = process.env;
      await publishPatiently(await openWithoutSdk(bucket, process.env), folder);
    }
  } catch (error) {
    await answerCustomResource(event, { ...answer, error: messageOf(error) });
    throw error;
  }
  await answerCustomResource(event, answer);
}

async function publishPatiently(bucket: HostBucket, folder: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await publishAgentRelease(bucket, folder);
      return;
    } catch (error) {
      if (attempt === ATTEMPTS || codeOf(error) !== 'ERR_BUCKET_DENIED') throw error;
      await sleep(PAUSE_MS);
    }
  }
}
