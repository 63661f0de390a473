/** The settings of one HAProxy: its socket, how it loads certificates, where they are proved, how it is reloaded. */
import * as z from 'zod';

/** `;` and line ends separate commands of the Runtime API and cannot be escaped. */
const haproxyPath = z.string().regex(/^\/[^;\n\r\0]*$/, 'must be an absolute path without ";" and line ends');
/** In a crt-list nothing can be quoted or escaped. */
const CRT_LIST_PATH = /^\/[^;\s\0[\]#]*$/;
const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5}$/, 'must be HOST:PORT, such as 127.0.0.1:443');
const list = z.preprocess(
  (value) => (typeof value === 'string' ? value.split(',').filter(Boolean) : value),
  z.array(address),
);

/** Words of a command, without a shell. */
const argv = z
  .array(
    z
      .string()
      .min(1)
      .regex(/^[^\0]*$/),
  )
  .min(1);
const seconds = z.coerce.number().min(1).max(86_400);
const reload = z
  .strictObject({
    command: argv.describe('Reloads it: [systemctl, reload, haproxy].'),
    check: argv
      .default(['haproxy', '-c', '-f', '/etc/haproxy/haproxy.cfg'])
      .describe('Must succeed first; nothing is reloaded otherwise.'),
    window: seconds.default(300).describe('Seconds in which it is reloaded once at most.'),
    timeout: seconds
      .default(120)
      .describe('Seconds for the check, for the command, and until the new worker must answer.'),
  })
  .transform(({ window, timeout, ...commands }) => ({
    ...commands,
    windowMs: window * 1000,
    timeoutMs: timeout * 1000,
  }));

export type ReloadSettings = z.infer<typeof reload>;

export type HaproxySettings = z.output<typeof haproxySchema>;

export const haproxySchema = z
  .strictObject({
    statsSocket: z
      .string()
      .regex(/^(master@)?\/[^;\n\r\0]*$/, 'must be an absolute path, or master@ and one')
      .default('/run/haproxy/admin.sock')
      .describe(
        'HAProxy\'s "stats socket", of level admin; or master@ and the path of its master socket ("-S").',
      ),
    certsDir: haproxyPath
      .default('/etc/haproxy/certs')
      .describe('The directory that a bind names as "crt": PEM files go there.'),
    crtListFile: z
      .string()
      .regex(CRT_LIST_PATH, 'must be an absolute path without spaces, ";", "#" and brackets')
      .optional()
      .describe(
        'The file that a bind names as "crt-list", kept in step on disk; certsDir then only holds PEM files.',
      ),
    crtList: z
      .string()
      .regex(/^[^;\n\r\0]+$/, 'must not hold ";" or line ends')
      .optional()
      .describe(
        "HAProxy's own name of certsDir where paths differ (chroot, container); default: discovered.",
      ),
    handshake: list
      .default(['127.0.0.1:443'])
      .describe('Binds on which a TLS handshake must prove each certificate; [] switches the proof off.'),
    paths: z
      .strictObject({ host: haproxyPath, haproxy: haproxyPath })
      .optional()
      .describe('Where HAProxy (container, chroot) has another name for the directory of its files.'),
    reload: reload
      .optional()
      .describe('How to reload HAProxy when the Runtime API cannot do it; absent: the operator reloads.'),
    bufsize: z.coerce
      .number()
      .int()
      .min(1024)
      .default(16_384)
      .describe("HAProxy's tune.bufsize: it limits what can be loaded at run time."),
    pace: z.coerce
      .number()
      .int()
      .min(0)
      .max(10_000)
      .optional()
      .describe('Updates a second at most; 0: no limit; default: 50 before HAProxy 3.0, no limit since.'),
    placeholder: z
      .union([z.boolean(), z.stringbool()])
      .default(false)
      .describe('With "sync --wait": a self-signed certificate where there would be none at all.'),
  })
  .refine(({ crtListFile, certsDir }) => crtListFile === undefined || CRT_LIST_PATH.test(certsDir), {
    path: ['certsDir'],
    error: 'must not hold spaces, "#" or brackets: its name stands in crtListFile',
  });

/** In a list, each has a name: it is in the status, and its memory lies in a directory of that name. */
export const haproxyList = z
  .array(
    haproxySchema.safeExtend({
      name: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must match [a-z0-9][a-z0-9_-]*'),
    }),
  )
  .min(1)
  .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, 'two have the same name');

/** With every key, set or not: how the rest of the agent knows it. */
export function haproxySettingsOf({
  name,
  crtList,
  crtListFile,
  paths,
  reload,
  pace,
  ...rest
}: HaproxySettings & { name?: string }) {
  return { ...rest, crtList, crtListFile, paths, reload, pace, ...(name !== undefined && { name }) };
}
