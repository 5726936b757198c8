/**
 * Asks GreenLLM's part of the Jupyter server. What it answers is checked against the schema both
 * languages share, and every way in which it can fail has a name.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { History, HistorySession, HostPower } from './messages';
import { problemWith } from './validate';

/** Why there is no answer. */
export type FailureReason =
  'absent' | 'not allowed' | 'not found' | 'no answer' | 'failed' | 'not understood';

export interface ServerFailure {
  readonly reason: FailureReason;
  /** What the server, the network or the check said; empty where that is nothing more. */
  readonly text: string;
}

export type Answer<T> = { readonly value: T } | { readonly failure: ServerFailure };

export type ExportFormat = 'csv' | 'json' | 'parquet';

/** What the panel asks of the server. */
export interface EnergyServer {
  /** What the ledger of the server's host holds. */
  history(): Promise<Answer<History>>;
  /** The cells of one session in it. */
  session(sessionId: string): Promise<Answer<HistorySession>>;
  /** What that host draws now, and whether the kernel is on it. */
  hostPower(kernelId: string | null): Promise<Answer<HostPower>>;
  /** Why a download would fail, before the browser is sent there; null where it would not. */
  exportProblem(format: ExportFormat, sessionId: string | null): Promise<ServerFailure | null>;
  /** Where the browser finds a download: of one session, or of everything. */
  exportUrl(format: ExportFormat, sessionId: string | null): string;
}

const API = 'greenllm/api';
const PATIENCE_MS = 20_000;
/** More than 200 sessions, or 2000 cells, can fill. */
const LARGEST_ANSWER = 8_000_000;
const LONGEST_TEXT = 400;

/** @param settings - With them requests carry what the server asks for: cookies, XSRF token, base URL. */
export function energyServer(settings: ServerConnection.ISettings): EnergyServer {
  const url = (...parts: string[]) => URLExt.join(settings.baseUrl, API, ...parts);
  const exportUrl = (format: ExportFormat, sessionId: string | null) =>
    url('export') +
    URLExt.objectToQueryString(sessionId === null ? { format } : { format, session: sessionId });
  return {
    history: () => ask<History>(url('history'), 'history', settings),
    session: sessionId =>
      ask<HistorySession>(
        url('history', encodeURIComponent(sessionId)),
        'historySession',
        settings
      ),
    hostPower: kernelId =>
      ask<HostPower>(
        url('host') + URLExt.objectToQueryString(kernelId === null ? {} : { kernel: kernelId }),
        'hostPower',
        settings
      ),
    exportProblem: (format, sessionId) => problemOf(exportUrl(format, sessionId), settings),
    exportUrl
  };
}

async function ask<T>(
  url: string,
  definition: string,
  settings: ServerConnection.ISettings
): Promise<Answer<T>> {
  return request(url, settings, async response => {
    const text = await boundedText(response);
    return response.ok ? read<T>(text, definition) : { failure: failureOf(response, text) };
  });
}

/** Begins the download, and breaks it off once it is known to work. */
async function problemOf(
  url: string,
  settings: ServerConnection.ISettings
): Promise<ServerFailure | null> {
  const answer = await request<null>(url, settings, async response => {
    if (response.ok) {
      await response.body?.cancel();
      return { value: null };
    }
    return { failure: failureOf(response, await boundedText(response)) };
  });
  return 'failure' in answer ? answer.failure : null;
}

async function request<T>(
  url: string,
  settings: ServerConnection.ISettings,
  take: (response: Response) => Promise<Answer<T>>
): Promise<Answer<T>> {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    const { signal } = patience;
    return await take(await ServerConnection.makeRequest(url, { signal }, settings));
  } catch (reason) {
    const text = patience.signal.aborted ? '' : shortened(String(reason));
    return { failure: { reason: 'no answer', text } };
  } finally {
    clearTimeout(timer);
  }
}

/** The body, or null where it is larger than any answer. */
async function boundedText(response: Response): Promise<string | null> {
  if (Number(response.headers.get('Content-Length') ?? 0) > LARGEST_ANSWER) {
    await response.body?.cancel();
    return null;
  }
  const text = await response.text();
  return text.length > LARGEST_ANSWER ? null : text;
}

function read<T>(text: string | null, definition: string): Answer<T> {
  const data = parsed(text);
  const problem = data === undefined ? 'no JSON, or too much' : problemWith(data, definition);
  return problem === null
    ? { value: data as T }
    : { failure: { reason: 'not understood', text: shortened(problem) } };
}

function failureOf({ status, statusText }: Response, text: string | null): ServerFailure {
  const told = parsed(text) as { message?: unknown; schema?: unknown } | null | undefined;
  const message = typeof told?.message === 'string' ? told.message : '';
  const said = shortened(message || `${status} ${statusText}`);
  switch (status) {
    case 404:
      // Our part says in its own form that it does not have what was asked for.
      return { reason: told?.schema === undefined ? 'absent' : 'not found', text: said };
    case 401:
    case 403:
      return { reason: 'not allowed', text: said };
    default:
      return { reason: 'failed', text: said };
  }
}

function parsed(text: string | null): unknown {
  try {
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function shortened(text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}
