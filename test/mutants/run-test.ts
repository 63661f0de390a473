/** Runs one test file of a copy of the checkout, and tells failed assertions from what else makes a test fail. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';

/** A parts test with a story of its own takes a minute on a busy machine. */
const DEADLINE_MS = 240_000;

interface TestEvent {
  type: 'pass' | 'fail';
  title: string;
  /** `ERR_ASSERTION`, or what else was thrown. */
  code: string;
}

/** Prints one line of JSON for each test; a file that cannot be imported is a failure without an assertion. */
const REPORTER = `export default async function* (source) {
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const { cause, failureType } = data.details?.error ?? {};
    const code = cause?.code ?? cause?.name ?? failureType ?? '';
    yield JSON.stringify({ type: type.slice(5), title: data.name, code: String(code) }) + '\\n';
  }
}`;
const REPORTER_URL = `data:text/javascript,${encodeURIComponent(REPORTER)}`;

async function eventsOf(root: string, file: string): Promise<TestEvent[]> {
  const args = ['--import', 'tsx', '--test', `--test-reporter=${REPORTER_URL}`, join(root, file)];
  // A runner inside of a test run would report to that one.
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env;
  return new Promise((resolve) => {
    const options = { cwd: root, env, timeout: DEADLINE_MS, maxBuffer: 64 * 1024 * 1024 };
    execFile('nice', [process.execPath, ...args], options, (_error, stdout) => {
      const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
      resolve(lines.map((line) => JSON.parse(line) as TestEvent));
    });
  });
}

export async function passedTests(root: string, file: string): Promise<string[]> {
  const events = await eventsOf(root, file);
  return events.filter(({ type }) => type === 'pass').map(({ title }) => title);
}

/** @returns titles of tests that an assertion has failed, and what else has failed */
export async function failedAssertions(
  root: string,
  file: string,
): Promise<{ failed: string[]; others: string[] }> {
  const events = await eventsOf(root, file);
  const failures = events.filter(({ type }) => type === 'fail');
  const isAssertion = ({ code }: TestEvent) => code === 'ERR_ASSERTION';
  return {
    failed: failures.filter(isAssertion).map(({ title }) => title),
    others:
      events.length === 0
        ? [`no test has ended within ${DEADLINE_MS} ms`]
        : failures.filter((event) => !isAssertion(event)).map(({ title, code }) => `${code}: ${title}`),
  };
}
