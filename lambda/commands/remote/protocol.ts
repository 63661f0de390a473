/** What the command line and the function say to each other. Either may be older than the other: what it does not know it ignores. */
import { gunzipSync, gzipSync } from 'node:zlib';
import * as z from 'zod';

/** Of the caller: only he himself says so. */
const claim = z.object({ user: z.string().max(200), host: z.string().max(300) });

/** What a caller sends. */
const commandRequest = z.object({
  pemfleetCommand: z.object({
    /** As typed, without --function. */
    args: z.array(z.string().max(10_000)).max(500),
    claim,
    width: z.number().int().min(40).max(1000),
  }),
});

export type CommandRequest = z.infer<typeof commandRequest>['pemfleetCommand'];

/** @returns undefined for what is none */
export function readCommandRequest(event: unknown): CommandRequest | undefined {
  return commandRequest.safeParse(event).data?.pemfleetCommand;
}

export type Stream = 'stdout' | 'stderr';

/** What a command printed, in its order. */
export type Printed = readonly (readonly [stream: Stream, text: string])[];

const printedText = z.array(z.tuple([z.enum(['stdout', 'stderr']), z.string()]));

const commandAnswer = z.object({
  pemfleetAnswer: z.object({
    /** Of the function's program. */
    program: z.string().max(100),
    status: z.number().int().min(0).max(255),
    /** Printed, as JSON, by gzip, in base64: Lambda takes six megabytes. */
    output: z.string(),
  }),
});

export type CommandAnswer = z.infer<typeof commandAnswer>;

/** Characters of the output that still fit: "6 MB for synchronous invocations" (Lambda quotas), less the document around it. */
const MAX_OUTPUT = 6 * 1024 * 1024 - 4096;
/** Of what was printed: no answer fills a memory. */
const MAX_PRINTED = 128 * 1024 * 1024;

export function answerOf(program: string, status: number, printed: Printed): CommandAnswer {
  const output = gzipSync(JSON.stringify(printed)).toString('base64');
  if (output.length <= MAX_OUTPUT) return { pemfleetAnswer: { program, status, output } };
  const text = `the answer has ${output.length} bytes, and Lambda takes ${MAX_OUTPUT}: ask for less (--fleet, --only), or read the bucket itself (--bucket)\n`;
  // What it has done is done: its messages come, its data do not.
  const messages = printed.filter(([stream]) => stream === 'stderr').slice(-1000);
  const rest: Printed = [...messages, ['stderr', text]];
  return {
    pemfleetAnswer: {
      program,
      status: status || 1,
      output: gzipSync(JSON.stringify(rest)).toString('base64'),
    },
  };
}

/** @returns undefined for what is no answer of ours */
export function readAnswer(body: string): { program: string; status: number; printed: Printed } | undefined {
  try {
    const { program, status, output } = commandAnswer.parse(JSON.parse(body)).pemfleetAnswer;
    const text = gunzipSync(Buffer.from(output, 'base64'), { maxOutputLength: MAX_PRINTED }).toString('utf8');
    return { program, status, printed: printedText.parse(JSON.parse(text)) };
  } catch {
    // JSON, base64 or gzip of somebody else.
    return undefined;
  }
}
