// What passes between the front of the stand-in (server.ts) and its services.

/** A request whose signature holds. */
export interface AwsRequest {
  method: string;
  /** as on the wire, still percent-encoded */
  path: string;
  query: Record<string, string>;
  headers: Record<string, string>;
  /** what the client meant: aws-chunked framing is taken off */
  body: Buffer;
  /** that came after the body, lower case */
  trailers: Record<string, string>;
  region: string;
}

export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: Buffer | string;
}

/** Who calls, as IAM sees it. */
export interface Caller {
  /** of the user, or of the session of a role */
  arn: string;
  accountId: string;
  /** `aws:userid` */
  userId: string;
  /** `aws:PrincipalTag/…` */
  tags: Record<string, string>;
  policies: readonly object[] | 'everything';
  /** permissions boundary: nothing beyond it */
  boundary?: object | undefined;
}

/** One question to IAM: may the caller do this? */
export interface Check {
  /** e.g. `s3:GetObject` */
  action: string;
  /** an ARN, or `*` where the action knows no resources */
  resource: string;
  context: Record<string, string | string[]>;
  /** whose it is; default: the caller's own */
  ownerId?: string;
  resourcePolicy?: object | undefined;
}

/** What permissions are asked with while an operation runs; each question is logged with the call. */
export interface Session {
  caller: Caller;
  /** refuses the operation if IAM does */
  require(check: Check): Promise<void>;
  isAllowed(check: Check): Promise<boolean>;
}

export interface Operation {
  /** as the API calls it, e.g. `HeadObject` */
  name: string;
  /** what faults are matched by: an S3 key, a zone's id, a document's name */
  subject: string;
  /** refuses what comes too fast, before anything else is looked at */
  admit?(): void;
  /** asked before it runs */
  checks: readonly Check[];
  run(session: Session): Answer | Promise<Answer>;
}

/** `rest`: JSON with the status of HTTP, as Lambda speaks. */
export type Protocol = 's3' | 'xml' | 'json' | 'rest';

export interface Service {
  protocol: Protocol;
  /** Reads the request; what the service does not know is an AwsFailure. */
  read(request: AwsRequest, caller: Caller): Operation;
}

/** A refusal in the words of AWS. */
export class AwsFailure extends Error {
  readonly status: number;
  readonly code: string;
  /** more elements of the error document */
  readonly fields: Record<string, unknown>;

  constructor(status: number, code: string, message: string, fields: Record<string, unknown> = {}) {
    super(message);
    this.name = 'AwsFailure';
    this.status = status;
    this.code = code;
    this.fields = fields;
  }
}
