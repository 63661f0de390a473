// Issue 19.5: whatever ends the program, the terminal is given back; another size is drawn at once.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import type { ReadStream, WriteStream } from 'node:tty';
import { Screen } from '../../../../lambda/commands/view/screen.ts';

function terminal() {
  const calls: string[] = [];
  const write = (text: string) => calls.push(text.replaceAll('\u001b', '^'));
  const output = Object.assign(new EventEmitter(), { write });
  const setRawMode = (isRaw: boolean) => {
    calls.push(`raw ${isRaw}`);
    return input;
  };
  const input: object = Object.assign(new EventEmitter(), { isTTY: true, setRawMode, pause: () => input });
  const screen = new Screen(output as unknown as WriteStream, input as ReadStream);
  return { screen, output, input: input as EventEmitter, calls };
}

test('a screen is opened, drawn, drawn again in another size, and given back once', () => {
  const { screen, output, calls } = terminal();
  const before = process.listenerCount('SIGTERM');

  screen.open(() => screen.draw(['again']));
  screen.draw(['one', 'two']);
  output.emit('resize');
  screen.close();
  screen.close();
  output.emit('resize');

  const opened = ['raw true', '^[?1049h^[?25l'];
  const drawn = ['^[Hone^[K\r\ntwo^[K^[J', '^[Hagain^[K^[J'];
  assert.deepEqual(calls, [...opened, ...drawn, 'raw false', '^[?25h^[?1049l']);
  assert.equal(process.listenerCount('SIGTERM'), before);
});

for (const key of ['q', '\u0003', '\u0004']) {
  test(`${JSON.stringify(key)} ends it, and no other key does`, () => {
    const { screen, input } = terminal();
    screen.open(() => undefined);

    input.emit('data', Buffer.from('x'));
    const isEnded = screen.ended.aborted;
    input.emit('data', Buffer.from(key));
    screen.close();

    assert.deepEqual([isEnded, screen.ended.aborted], [false, true]);
  });
}
