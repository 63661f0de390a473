/** An account of moto, read through AWS's own APIs: what a deployment created in it. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  GetBucketEncryptionCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import { GetDocumentCommand, SSMClient } from '@aws-sdk/client-ssm';
import { XMLParser } from 'fast-xml-parser';
import type { Moto } from '../support/parts/moto.ts';

export interface StackResource {
  id: string;
  name: string;
  type: string;
}

export interface DeployedFunction {
  FunctionName: string;
  Runtime: string;
  Handler: string;
  Timeout: number;
  CodeSize: number;
  Environment: { Variables: Record<string, string> };
}

const xml = new XMLParser({ isArray: (name) => name === 'member' });

export function motoAccount({ endpoint, region, credentials }: Moto) {
  const config = { endpoint, region, credentials, maxAttempts: 1 };
  const [s3, ssm] = [new S3Client(config), new SSMClient(config)];
  /** moto accepts any signature; its scope names the service. */
  const ask = async (service: string, path: string, form?: Record<string, string>) => {
    const authorization = `AWS4-HMAC-SHA256 Credential=testing/20261122/${region}/${service}/aws4_request, SignedHeaders=host, Signature=0`;
    const body = form && new URLSearchParams(form);
    const answer = await fetch(endpoint + path, {
      method: form ? 'POST' : 'GET',
      headers: { authorization },
      ...(body && { body }),
    });
    return answer.text();
  };
  /** Says in the name of a function that it is done: moto has nothing that runs one. @returns whether CloudFormation waited for it */
  const answerCustomResource = async (StackId: string, LogicalResourceId: string): Promise<boolean> => {
    const url = `${endpoint}/cloudformation_${region}/cfnresponse?stack=${encodeURIComponent(StackId)}`;
    const body = JSON.stringify({ Status: 'SUCCESS', StackId, LogicalResourceId, Data: {} });
    const answer = await fetch(url, { method: 'PUT', body, headers: { 'content-type': 'application/json' } });
    return answer.ok;
  };
  /** undefined: there is no such stack yet. */
  const stackId = async (StackName: string): Promise<string | undefined> => {
    const form = { Action: 'DescribeStacks', StackName, Version: '2010-05-15' };
    const answer = xml.parse(await ask('cloudformation', '/', form));
    return answer.DescribeStacksResponse?.DescribeStacksResult?.Stacks?.member?.[0]?.StackId;
  };
  return {
    s3,
    /** What moto does not know is in its list too, without a name. */
    resources: async (StackName: string): Promise<StackResource[]> => {
      const form = { Action: 'ListStackResources', StackName, Version: '2010-05-15' };
      const answer = xml.parse(await ask('cloudformation', '/', form));
      const { member } = answer.ListStackResourcesResponse.ListStackResourcesResult.StackResourceSummaries;
      const all: StackResource[] = member.map((one: Record<string, string>) => ({
        id: one['LogicalResourceId'],
        name: one['PhysicalResourceId'],
        type: one['ResourceType'],
      }));
      return all.filter(({ name }) => name !== '');
    },
    functions: async (): Promise<DeployedFunction[]> =>
      JSON.parse(await ask('lambda', '/2015-03-31/functions')).Functions,
    buckets: async () =>
      ((await s3.send(new ListBucketsCommand())).Buckets ?? []).map(({ Name = '' }) => Name),
    objects: async (Bucket: string) => {
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket }));
      return Contents.map(({ Key = '', Size = 0 }) => ({ Key, Size }));
    },
    encryptionOf: async (Bucket: string) => {
      const { ServerSideEncryptionConfiguration: found } = await s3.send(
        new GetBucketEncryptionCommand({ Bucket }),
      );
      return found?.Rules?.[0]?.ApplyServerSideEncryptionByDefault;
    },
    /**
     * Custom resources wait for functions, which moto cannot run without Docker; test/cdk/asset-run.test.ts runs them. Ends with `work`.
     * @param template as it was synthesized, once the stack is there
     */
    answerCustomResources: async (
      StackName: string,
      work: Promise<unknown>,
      template: () => { Resources: Record<string, { Type: string }> },
    ): Promise<void> => {
      let isOver = false;
      const over = () => {
        isOver = true;
      };
      work.then(over, over);
      const waiting = new Set<string>();
      while (!isOver) {
        await sleep(300);
        const id = await stackId(StackName);
        if (id === undefined) continue;
        const custom = Object.entries(template().Resources).filter(([, { Type }]) => /^Custom::/.test(Type));
        for (const [name] of custom) {
          if (!waiting.has(name) && (await answerCustomResource(id, name))) waiting.add(name);
        }
      }
    },
    /** The policies of a role, as they stand in the account. */
    policiesOf: async (RoleName: string): Promise<object[]> => {
      const version = '2010-05-08';
      const list = { Action: 'ListRolePolicies', RoleName, Version: version };
      const names = xml.parse(await ask('iam', '/', list)).ListRolePoliciesResponse.ListRolePoliciesResult;
      const documents = (names.PolicyNames?.member ?? []).map(async (PolicyName: string) => {
        const form = { Action: 'GetRolePolicy', RoleName, PolicyName, Version: version };
        const answer = xml.parse(await ask('iam', '/', form));
        return JSON.parse(
          decodeURIComponent(answer.GetRolePolicyResponse.GetRolePolicyResult.PolicyDocument),
        );
      });
      return Promise.all(documents);
    },
    document: async (Name: string) => (await ssm.send(new GetDocumentCommand({ Name }))).Content ?? '',
  };
}
