/** The second opinion: what the stand-in of AWS does is what moto does, where moto does it at all. */
import { after } from 'node:test';
import { Route53Client } from '@aws-sdk/client-route-53';
import { S3Client } from '@aws-sdk/client-s3';
import { route53Suite } from '../../aws/route53/suite.ts';
import { s3Suite } from '../../aws/s3/suite.ts';
import { startMoto } from '../../support/parts/moto.ts';

const moto = await startMoto();
after(moto.stop);
const { endpoint, region, credentials } = moto;

s3Suite(() => new S3Client({ endpoint, region, credentials, maxAttempts: 1 }));
route53Suite(() => new Route53Client({ endpoint, region, credentials, maxAttempts: 1 }));
