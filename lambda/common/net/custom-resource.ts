/**
 * A custom resource of CloudFormation, which waits until it is answered at the URL of the request (CloudFormation User Guide, "Custom resource
 * request and response reference").
 */
const TIMEOUT_MS = 20_000;

export interface CustomResourceEvent {
  RequestType: 'Create' | 'Update' | 'Delete';
  ResponseURL: string;
  StackId: string;
  RequestId: string;
  LogicalResourceId: string;
  PhysicalResourceId?: string;
}

export interface CustomResourceAnswer {
  /** Of a new value, CloudFormation would delete the old resource. */
  physicalId: string;
  /** Fails the deployment. */
  error?: string | undefined;
}

/** Characters: CloudFormation takes 4 kB in all. */
const MAX_REASON = 1000;
const ATTEMPTS = 3;

export function isCustomResourceEvent(event: unknown): event is CustomResourceEvent {
  const { RequestType, ResponseURL } = (event ?? {}) as Partial<CustomResourceEvent>;
  return /^(Create|Update|Delete)$/.test(RequestType ?? '') && typeof ResponseURL === 'string';
}

/** @throws Error if CloudFormation does not take the answer: it then waits until its own time-out */
export async function answerCustomResource(
  event: CustomResourceEvent,
  { physicalId, error }: CustomResourceAnswer,
): Promise<void> {
  const { StackId, RequestId, LogicalResourceId } = event;
  const answer = {
    ...{ StackId, RequestId, LogicalResourceId, PhysicalResourceId: physicalId },
    ...(error === undefined
      ? { Status: 'SUCCESS' }
      : { Status: 'FAILED', Reason: error.slice(0, MAX_REASON) }),
  };
  for (let attempt = 1; ; attempt += 1) {
    const status = await put(event.ResponseURL, Buffer.from(JSON.stringify(answer))).catch(String);
    if (status === 200) return;
    if (attempt === ATTEMPTS) throw new Error(`CloudFormation does not take the answer: ${status}`);
  }
}

/** Bytes, not a string: the URL is signed for a request without a content type. */
async function put(url: string, body: Buffer<ArrayBuffer>): Promise<number> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(url, { method: 'PUT', body, redirect: 'error', signal });
  await response.body?.cancel();
  return response.status;
}
