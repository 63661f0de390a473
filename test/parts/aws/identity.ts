// Users, roles, and sessions of roles: who holds which credentials, and what their policies say.
import { randomBytes } from 'node:crypto';
import type { Caller } from './wire.ts';

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  expiresAt?: Date;
}

export interface RoleOptions {
  name: string;
  /** IAM policy documents */
  policies: readonly object[] | 'everything';
  /** who may assume it (sts:AssumeRole): a policy document with `Principal`; default: nobody */
  trust?: object;
  tags?: Record<string, string>;
  /** default: the stand-in's own */
  accountId?: string;
}

export interface Role extends Required<Omit<RoleOptions, 'trust'>> {
  arn: string;
  /** the part of `aws:userid` before the session's name */
  id: string;
  trust: object | undefined;
}

/** A user with policies, or a session of a role. */
export type PrincipalOptions =
  | Omit<RoleOptions, 'trust'>
  | {
      /** the session's name */
      name: string;
      role: Role;
      /** of the credentials; default: never */
      expiresAt?: Date;
    };

export interface Principal extends Caller {
  name: string;
  credentials: Credentials;
  /** the environment of a program that acts as this principal */
  env: Record<string, string>;
}

const randomId = (prefix: string) => `${prefix}${randomBytes(8).toString('hex').toUpperCase()}`;

export type Identity = ReturnType<typeof createIdentity>;

/** @param ownAccountId of those who name no other */
export function createIdentity(ownAccountId: string, environment: () => Record<string, string>) {
  const roles = new Map<string, Role>();
  const holders = new Map<string, Principal>();

  const enter = (caller: Caller, name: string, credentials: Credentials): Principal => {
    const { accessKeyId, secretAccessKey, sessionToken } = credentials;
    const env = {
      ...environment(),
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      ...(sessionToken ? { AWS_SESSION_TOKEN: sessionToken } : {}),
    };
    const principal = { ...caller, name, credentials, env };
    holders.set(accessKeyId, principal);
    return principal;
  };

  const role = (options: RoleOptions): Role => {
    const { name, accountId = ownAccountId, tags = {}, policies, trust } = options;
    const arn = `arn:aws:iam::${accountId}:role/${name}`;
    const made = { ...{ name, accountId, tags, policies, trust, arn }, id: randomId('AROA') };
    roles.set(arn, made);
    return made;
  };

  const principal = (options: PrincipalOptions): Principal => {
    const { name } = options;
    const secretAccessKey = randomBytes(30).toString('base64');
    if ('role' in options) {
      const { accountId, tags, policies, id } = options.role;
      const arn = `arn:aws:sts::${accountId}:assumed-role/${options.role.name}/${name}`;
      const sessionToken = randomBytes(48).toString('base64');
      const credentials = { accessKeyId: randomId('ASIA'), secretAccessKey, sessionToken };
      const expiry = options.expiresAt ? { expiresAt: options.expiresAt } : {};
      const caller = { arn, accountId, tags, policies, userId: `${id}:${name}` };
      return enter(caller, name, { ...credentials, ...expiry });
    }
    const { accountId = ownAccountId, tags = {}, policies } = options;
    const arn = `arn:aws:iam::${accountId}:user/${name}`;
    const caller = { arn, accountId, tags, policies, userId: randomId('AIDA') };
    return enter(caller, name, { accessKeyId: randomId('AKIA'), secretAccessKey });
  };

  return {
    role,
    principal,
    roleByArn: (arn: string) => roles.get(arn),
    holderOf: (accessKeyId: string) => holders.get(accessKeyId),
  };
}
