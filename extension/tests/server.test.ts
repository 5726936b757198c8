import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ServerConnection } from '@jupyterlab/services';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { energyServer, type EnergyServer } from '../src/server';
import { history, pastCell, pastCells } from './past';

let listener: Server;
let server: EnergyServer;
let asked: IncomingMessage[];
let answer: (response: ServerResponse) => void;

beforeEach(async () => {
  asked = [];
  listener = createServer((request, response) => {
    asked.push(request);
    answer(response);
  });
  await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  server = energyServer(
    ServerConnection.makeSettings({
      baseUrl: `http://127.0.0.1:${port}/user/ada/`,
      token: 'secret'
    })
  );
});

afterEach(async () => {
  listener.closeAllConnections();
  await new Promise(resolve => listener.close(resolve));
});

function json(data: unknown, status = 200): void {
  answer = response => response.writeHead(status).end(JSON.stringify(data));
}

describe('the server', () => {
  it('is asked below its base URL, with what it asks for in the header', async () => {
    json(history());
    expect(await server.history()).toEqual({ value: history() });
    expect(asked[0]?.url).toMatch(/^\/user\/ada\/greenllm\/api\/history(\?|$)/);
    expect(asked[0]?.headers.authorization).toBe('token secret');
  });

  it('is asked for one session by its id, whatever that is', async () => {
    json(pastCells(pastCell()));
    expect(await server.session('../a b?c')).toEqual({ value: pastCells(pastCell()) });
    expect(asked[0]?.url).toMatch(/^\/user\/ada\/greenllm\/api\/history\/\.\.%2Fa%20b%3Fc(\?|$)/);
  });

  it.each([
    ['absent', 404],
    ['not allowed', 401],
    ['not allowed', 403],
    ['failed', 500]
  ])('that answers with an error is %s (%d), with its own words', async (reason, status) => {
    json({ message: 'the reason' }, status);
    expect(await server.history()).toEqual({ failure: { reason, text: 'the reason' } });
  });

  it('that does not know a session has none of it', async () => {
    json({ schema: 1, message: 'no such session' }, 404);
    expect(await server.session('gone')).toMatchObject({ failure: { reason: 'not found' } });
    json({ message: 'Not Found' }, 404);
    expect(await server.session('gone')).toMatchObject({ failure: { reason: 'absent' } });
  });

  it('that is gone gives no answer', async () => {
    answer = response => response.destroy();
    expect(await server.history()).toMatchObject({ failure: { reason: 'no answer' } });
  });

  it.each([
    ['another form', JSON.stringify({ ...history(), today: null })],
    ['a session too many', JSON.stringify({ ...history(), sessions: Array(201).fill({}) })],
    ['no JSON', '<html>log in</html>'],
    ['more than any answer', `"${'x'.repeat(8_000_001)}"`]
  ])('that sends %s is not understood', async (_, text) => {
    answer = response => response.end(text);
    const given = await server.history();
    expect(given).toMatchObject({ failure: { reason: 'not understood' } });
    expect('failure' in given && given.failure.text.length).toBeLessThan(500);
  });

  it('says why a download would fail, and lets one that works begin', async () => {
    json({ message: 'Parquet needs pyarrow' }, 400);
    const failure = { reason: 'failed', text: 'Parquet needs pyarrow' };
    expect(await server.exportProblem('parquet', null)).toEqual(failure);
    answer = response => response.writeHead(200).write('the first of many lines\n');
    expect(await server.exportProblem('csv', null)).toBeNull();
  });

  it('says where downloads are, without the token', () => {
    expect(server.exportUrl('parquet', null)).toMatch(
      /^http:\/\/127.0.0.1:\d+\/user\/ada\/greenllm\/api\/export\?format=parquet$/
    );
    expect(server.exportUrl('csv', 'a&b')).toMatch(/\?format=csv&session=a%26b$/);
  });
});
