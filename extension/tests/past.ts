/** What the server answers, to vary in tests. */
import type { History, HistorySession, HistorySum, PastCell, PastSession } from '../src/messages';
import type { Answer, EnergyServer, ExportFormat, ServerFailure } from '../src/server';

export function sum(changes: Partial<HistorySum> = {}): HistorySum {
  return {
    energy_j: 7200,
    interval_j: [6800, 7600],
    mass_gco2e: 0.95,
    interval_gco2e: [0.6, 1.3],
    duration_s: 3725,
    runs: 12,
    provenance: 'measured',
    ...changes
  };
}

export function pastSession(changes: Partial<PastSession> = {}): PastSession {
  return {
    ...sum(),
    session_id: 'earlier-1',
    host: 'node-1',
    first_at: '2026-01-30T10:00:00Z',
    last_at: '2026-01-30T11:00:00Z',
    names: ['train', 'evaluate'],
    ...changes
  };
}

export function history(changes: Partial<History> = {}): History {
  return {
    schema: 1,
    today: sum(),
    all: sum({ energy_j: 36e5, interval_j: [35e5, 37e5], runs: 480 }),
    sessions: [pastSession()],
    problem: null,
    ...changes
  };
}

export function pastCell(changes: Partial<PastCell> = {}): PastCell {
  return {
    ...sum(),
    name: 'train',
    stage: 'train',
    cell_id: 'cell-1',
    status: 'ok',
    started_at: '2026-01-30T10:00:00Z',
    ...changes
  };
}

export function pastCells(...cells: PastCell[]): HistorySession {
  return { schema: 1, session_id: 'earlier-1', cells, problem: null };
}

/** A server whose answers a test sets, and that keeps which sessions it was asked for; it has no Parquet. */
export class PastServer implements EnergyServer {
  historyAnswer: Answer<History> = { value: history() };
  sessionAnswer: Answer<HistorySession> = { value: pastCells(pastCell()) };
  readonly asked: string[] = [];

  history(): Promise<Answer<History>> {
    return Promise.resolve(this.historyAnswer);
  }

  session(id: string): Promise<Answer<HistorySession>> {
    this.asked.push(id);
    return Promise.resolve(this.sessionAnswer);
  }

  hostPower(): Promise<{ failure: ServerFailure }> {
    return Promise.resolve({ failure: { reason: 'absent', text: '' } });
  }

  exportProblem(format: ExportFormat): Promise<ServerFailure | null> {
    const problem: ServerFailure = { reason: 'failed', text: 'pip install pyarrow' };
    return Promise.resolve(format === 'parquet' ? problem : null);
  }

  exportUrl(format: ExportFormat, id: string | null): string {
    return `/export/${format}/${id}`;
  }
}
