// EventBridge Scheduler: wakes its target with the role of the schedule, which hands the event to Lambda's queue; what cannot be
// handed over goes to the dead-letter queue, and so does what Lambda gives up, by the function's own role.

import type { Aws, Principal } from '../aws.ts';
import { invokeByEvent } from '../lambda/events.ts';
import type { Invocation } from '../lambda/function.ts';
import type { Deployment } from './deploy.ts';

export interface Schedule {
  /** As at the schedule's time. @returns undefined where the event could not be handed over */
  wake(): Promise<Invocation | undefined>;
  /** What lies in the queue of failures. */
  failures: object[];
}

interface Target {
  Arn: string;
  RoleArn: string;
  Input: string;
  DeadLetterConfig: { Arn: string };
}

interface Rules {
  FunctionName: string;
  MaximumEventAgeInSeconds: number;
  MaximumRetryAttempts: number;
  DestinationConfig: { OnFailure: { Destination: string } };
}

/** @param deployment asked each time: it may have been deployed anew */
export function createSchedule(aws: Aws, deployment: () => Deployment): Schedule {
  const failures: object[] = [];
  const send = async (who: Principal, queueArn: string, message: object) => {
    const check = { action: 'sqs:SendMessage', resource: queueArn, context: {} };
    const errand = { service: 'sqs', operation: 'SendMessage', subject: queueArn, check };
    if (await aws.onBehalf(who, errand)) failures.push(message);
  };
  return {
    failures,
    wake: async () => {
      const { template, functions, session } = deployment();
      const [id = ''] = template.all('AWS::Scheduler::Schedule');
      const target = template.properties(id)['Target'] as Target;
      const event = JSON.parse(target.Input) as object;
      const scheduler = session('scheduler.amazonaws.com', target.RoleArn, 'schedule');
      const check = { action: 'lambda:InvokeFunction', resource: target.Arn, context: {} };
      const errand = { service: 'lambda', operation: 'Invoke', subject: target.Arn, check };
      const fn = functions.get(target.Arn);
      if (!(await aws.onBehalf(scheduler, errand)) || fn === undefined) {
        await send(scheduler, target.DeadLetterConfig.Arn, { input: event, error: 'could not be delivered' });
        return undefined;
      }
      const { rules, role } = rulesOf(deployment(), fn.name);
      return invokeByEvent(fn, event, {
        maxAgeMs: rules.MaximumEventAgeInSeconds * 1000,
        maxRetries: rules.MaximumRetryAttempts,
        onFailure: (record) =>
          send(
            session('lambda.amazonaws.com', role, fn.name),
            rules.DestinationConfig.OnFailure.Destination,
            record,
          ),
      });
    },
  };
}

function rulesOf({ template }: Deployment, functionName: string): { rules: Rules; role: string } {
  const all = template
    .all('AWS::Lambda::EventInvokeConfig')
    .map((id) => template.properties(id) as unknown as Rules);
  const rules = all.find(({ FunctionName }) => FunctionName === functionName);
  const [fn] = template.all('AWS::Lambda::Function').filter((id) => template.name(id) === functionName);
  if (rules === undefined || fn === undefined) {
    throw new TypeError(`${functionName} has no rules for its events`);
  }
  return { rules, role: String(template.properties(fn)['Role']) };
}
