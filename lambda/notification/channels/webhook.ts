/** A webhook: a JSON body by a template, signed where there is a secret. */
import { readRegularFile } from '#storage/atomic-file.ts';
import type { Environment } from '#storage/s3-credentials.ts';
import { type WebhookSettings, webhookUrlProblem } from '../../config/notify/channel.ts';
import type { NoticeChannel } from '../deliver.ts';
import type { Notice } from '../notice.ts';
import type { NoticeText } from '../text.ts';
import { bodyOf } from './bodies.ts';
import { httpPost } from './http-post.ts';
import { readParameterSecret, readSecretFile } from './secret.ts';
import { signatureHeaders } from './signature.ts';

const MAX_CA_BYTES = 1_000_000;

export class WebhookChannel implements NoticeChannel {
  readonly timeoutSeconds: number;
  readonly #settings: WebhookSettings;
  readonly #env: Environment;
  readonly #now: () => Date;

  /** @param env of which SSM's region and credentials are read */
  constructor(settings: WebhookSettings, timeoutSeconds: number, env: Environment, now: () => Date) {
    this.#settings = settings;
    this.timeoutSeconds = timeoutSeconds;
    this.#env = env;
    this.#now = now;
  }

  async send(notice: Notice, text: NoticeText, signal: AbortSignal): Promise<string> {
    const { template, caFile } = this.#settings;
    const body = bodyOf(template, notice, text);
    if (body === undefined) return 'nothing for such a receiver';
    const [url, secret] = [await this.#url(), await this.#secret()];
    const ca = caFile && (await readRegularFile(caFile, MAX_CA_BYTES)).toString('utf8');
    const signed = signatureHeaders({ id: notice.id, body, at: this.#now() }, secret);
    const headers = { 'content-type': 'application/json', 'user-agent': 'pemfleet', ...signed };
    return httpPost({ url, headers, body, ca, signal });
  }

  async #url(): Promise<URL> {
    const { url, urlFile, urlParameter, allowHttp } = this.#settings;
    const text = url ?? (await this.#read(urlFile, urlParameter)) ?? '';
    const problem = webhookUrlProblem(text, allowHttp);
    if (problem !== undefined) throw new Error(`${urlFile ?? urlParameter ?? 'url'}: ${problem}`);
    return new URL(text);
  }

  #secret(): Promise<string | undefined> {
    const { secretFile, secretParameter } = this.#settings;
    return this.#read(secretFile, secretParameter);
  }

  async #read(file: string | undefined, parameter: string | undefined): Promise<string | undefined> {
    if (file !== undefined) return readSecretFile(file);
    return parameter === undefined ? undefined : readParameterSecret(parameter, this.#env);
  }
}
