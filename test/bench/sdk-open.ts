// What the responder would be with the SDK's client of S3: for the measure only.
export { openBucket as openWithoutSdk } from '#storage/open.ts';
