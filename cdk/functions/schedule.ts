/** Starts the issuer at minutes away from the full hour, when CAs are busy, and within a window, so that issuers worldwide spread out. */
import { Stack } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { CfnSchedule } from 'aws-cdk-lib/aws-scheduler';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { allow } from '../access/right.ts';

/** What the schedule starts, and how often. */
export interface ScheduleProps {
  readonly fn: IFunction;
  /** Receives invocations that could not be delivered. */
  readonly failures: IQueue;
  readonly wakeMinutes: number;
}

export function createSchedule(scope: Construct, { fn, failures, wakeMinutes }: ScheduleProps): CfnSchedule {
  const windowMinutes = Math.min(5, Math.floor(wakeMinutes / 3));
  const schedule = new CfnSchedule(scope, 'Schedule', {
    description: 'pemfleet: starts a pass of the issuer',
    scheduleExpression: expression(wakeMinutes, windowMinutes, scope.node.addr),
    flexibleTimeWindow: { mode: 'FLEXIBLE', maximumWindowInMinutes: windowMinutes },
    target: {
      arn: fn.functionArn,
      roleArn: schedulerRole(scope, fn, failures).roleArn,
      input: '{}',
      deadLetterConfig: { arn: failures.queueArn },
      retryPolicy: { maximumRetryAttempts: 2, maximumEventAgeInSeconds: wakeMinutes * 60 },
    },
  });
  return schedule;
}

/** The minute follows from the construct's address: it differs between deployments and stays the same from synth to synth. */
function expression(wakeMinutes: number, windowMinutes: number, address: string): string {
  if (60 % wakeMinutes !== 0) return `rate(${wakeMinutes} minutes)`;
  const choices = wakeMinutes - windowMinutes - 4;
  const minute = 2 + (Number.parseInt(address.slice(2, 10), 16) % choices);
  const minutes = Array.from({ length: 60 / wakeMinutes }, (_, index) => minute + index * wakeMinutes);
  return `cron(${minutes.join(',')} * * * ? *)`;
}

function schedulerRole(scope: Construct, fn: IFunction, failures: IQueue): Role {
  const { account } = Stack.of(scope);
  const scheduler = new ServicePrincipal('scheduler.amazonaws.com', {
    conditions: { StringEquals: { 'aws:SourceAccount': account } },
  });
  const role = new Role(scope, 'SchedulerRole', { assumedBy: scheduler });
  allow(role, [
    { sid: 'Wake', actions: ['lambda:InvokeFunction'], resources: [fn.functionArn] },
    { sid: 'Missed', actions: ['sqs:SendMessage'], resources: [failures.queueArn] },
  ]);
  return role;
}
