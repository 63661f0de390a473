// Tags that come with an object (`x-amz-tagging`): they need a right of their own, and policies see them.
import { AwsFailure, type Check } from '../wire.ts';

/** The user guide, "Object tagging": at most 10, and letters, digits, spaces and these signs. */
const NAME = /^[\p{L}\p{N} _.:/=+@-]{1,128}$/u;
const VALUE = /^[\p{L}\p{N} _.:/=+@-]{0,256}$/u;

export function tagsOf(headers: Record<string, string>): [name: string, value: string][] {
  return [...new URLSearchParams(headers['x-amz-tagging'] ?? '')];
}

export function tagContext(headers: Record<string, string>): Check['context'] {
  const tags = tagsOf(headers);
  if (tags.length === 0) return {};
  return {
    ...Object.fromEntries(tags.map(([name, value]) => [`s3:RequestObjectTag/${name}`, value])),
    's3:RequestObjectTagKeys': tags.map(([name]) => name),
  };
}

/** S3 judges the right first, the tags afterwards. */
export function checkTags(headers: Record<string, string>): Record<string, string> {
  const tags = tagsOf(headers);
  if (tags.length === 0) return {};
  if (tags.length > 10) throw new AwsFailure(400, 'BadRequest', 'Object tags cannot be greater than 10');
  if (tags.some(([name, value]) => !NAME.test(name) || !VALUE.test(value))) {
    throw new AwsFailure(400, 'InvalidTag', 'The TagKey or TagValue you have provided is invalid');
  }
  return { 'x-amz-tagging-count': `${tags.length}` };
}
