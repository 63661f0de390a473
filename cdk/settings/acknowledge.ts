/**
 * Acknowledges findings of cdk-nag, by a class of aws-cdk-lib that older versions do not have: there nothing is said, and who runs an older
 * cdk-nag suppresses in the app.
 */
import * as cdk from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/** @param reason why it is right as it is */
export function acknowledgeFinding(scope: IConstruct, id: string, reason: string): void {
  const { Validations } = cdk as Partial<typeof cdk>;
  Validations?.of(scope).acknowledge({ id, reason });
}
