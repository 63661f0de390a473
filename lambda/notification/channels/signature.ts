/**
 * Signs a message as the Standard Webhooks specification 1.0 says: HMAC-SHA256 over id, time and body, so that libraries of many languages
 * check it. A receiver refuses what is older than five minutes, and drops an id that it has had.
 */
import { createHmac } from 'node:crypto';

/** @param secret bytes; of the text `whsec_…`, those that its Base64 stands for */
export function signatureHeaders(
  { id, body, at }: { id: string; body: string; at: Date },
  secret: string | undefined,
): Record<string, string> {
  const time = String(Math.floor(at.getTime() / 1000));
  const headers = { 'webhook-id': id, 'webhook-timestamp': time };
  if (secret === undefined) return headers;
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret);
  const mac = createHmac('sha256', key).update(`${id}.${time}.${body}`).digest('base64');
  return { ...headers, 'webhook-signature': `v1,${mac}` };
}
