/** The item in the status bar: power now, the session's energy, and how it stands with its budget. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Signal, type ISignal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { budgetUse, type BudgetState } from './budget';
import { powerStateName } from './components/power';
import { figureText } from './figure';
import { leafIcon } from './icon';
import { Pace } from './pace';
import type { Preferences } from './preferences';
import { provenanceOfTotal } from './provenance';
import { formatEnergy, formatPercent, formatPower } from './quantities';
import type { EnergySession } from './session';
import { changesIn_s, panelState, powerState } from './state';
import type { INotebookStreams, IPreferences } from './tokens';

export interface StatusItemOptions {
  streams: INotebookStreams;
  preferences: IPreferences;
  trans: TranslationBundle;
  /** What a click does. */
  open: () => void;
}

const ICON_SIZE = { height: '14px', width: '14px' };
/** It is read in passing, ms. */
const SHORTEST_MS = 1000;

/** Changes only what differs from what stands there: it is there whatever else the user looks at. */
export class StatusItem extends Widget {
  private readonly _button = document.createElement('button');
  private readonly _text = document.createElement('span');
  private readonly _activeChanged = new Signal<this, void>(this);
  private readonly _pace: Pace;
  private _isActive = false;
  /** What was drawn last, and of which session. */
  private _drawn: Status | null = null;
  private _drawnOf: EnergySession | null = null;

  constructor(private readonly options: StatusItemOptions) {
    super();
    const { streams, preferences, open } = options;
    this.addClass('greenllm-StatusItem');
    this._button.className = 'greenllm-StatusItem-button';
    this._button.addEventListener('click', open);
    this._button.append(leafIcon.element({ tag: 'span', ...ICON_SIZE }), this._text);
    this._pace = new Pace({
      draw: () => this._draw(),
      isSeen: () => this._isActive && this.isAttached,
      every_ms: () => Math.max(preferences.current.refreshMs, SHORTEST_MS)
    });
    streams.changed.connect(this._onChanged, this);
    preferences.changed.connect(() => this._pace.request(true));
    this._onChanged();
  }

  /** Whether there is anything to show. */
  get isActive(): boolean {
    return this._isActive;
  }

  get activeChanged(): ISignal<this, void> {
    return this._activeChanged;
  }

  override dispose(): void {
    this._pace.dispose();
    super.dispose();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._draw();
  }

  /** The status bar asks for it where it shows the item again. */
  protected override onUpdateRequest(): void {
    this._draw();
  }

  /** Show what holds now, and ask to be drawn again when time alone changes that. */
  private _draw(): void {
    const { streams, preferences, trans } = this.options;
    const session = streams.current?.session ?? null;
    this._pace.requestIn(session && changesIn_s(session));
    this._drawnOf = session;
    const status = session && statusOf(session, preferences.current, trans);
    const last = this._drawn;
    this._drawn = status;
    if (!status) {
      this._button.remove();
      return;
    }
    if (last?.text !== status.text) {
      this._text.textContent = status.text;
    }
    if (last?.detail !== status.detail) {
      this._button.title = status.detail;
      this._button.setAttribute('aria-label', status.detail);
    }
    if (last?.budget !== status.budget) {
      this._button.dataset.budget = status.budget;
    }
    if (!last) {
      this.node.append(this._button);
    }
  }

  private _onChanged(): void {
    const { current } = this.options.streams;
    const facts = current?.facts ?? null;
    const state = panelState(facts);
    const isActive = state === 'measured' || state === 'stale';
    if (isActive !== this._isActive) {
      this._isActive = isActive;
      this._activeChanged.emit();
    }
    this._pace.request((current?.session ?? null) !== this._drawnOf);
  }
}

interface Status {
  readonly text: string;
  readonly detail: string;
  readonly budget: BudgetState | 'none';
}

function statusOf(
  session: EnergySession,
  { energyUnit }: Preferences,
  trans: TranslationBundle
): Status {
  const { totals } = session;
  const power = powerText(session, trans);
  if (!totals) {
    return { text: power, detail: trans.__('Power now: %1', power), budget: 'none' };
  }
  const energy = formatEnergy(totals.energy_j, totals.interval_j, trans, energyUnit);
  const use = budgetUse(
    totals,
    [totals.energy_j, totals.interval_j],
    [totals.mass_gco2e, totals.interval_gco2e]
  );
  const ofBudget =
    use && use.used !== null ? budgetText(use.state, use.used / use.most, trans) : null;
  return {
    text: [power, figureText(energy), ofBudget].filter(part => part !== null).join(' · '),
    detail: [
      trans.__('Power now: %1', power),
      trans.__('Energy of the session: %1', energy.detail),
      ofBudget
    ]
      .filter(part => part !== null)
      .join('\n'),
    budget: use?.state ?? 'none'
  };
}

function powerText(session: EnergySession, trans: TranslationBundle): string {
  const { hello, power } = session;
  const state = powerState(session);
  if (state !== 'live') {
    return powerStateName(state, trans);
  }
  const provenance = provenanceOfTotal(hello?.channels ?? []);
  return formatPower(power?.total_w ?? null, provenance === 'estimated');
}

function budgetText(state: BudgetState, part: number, trans: TranslationBundle): string {
  switch (state) {
    case 'exceeded':
      return trans.__('over budget');
    case 'perhaps exceeded':
      return trans.__('perhaps over budget');
    default:
      return trans.__('%1 of budget', formatPercent(part, trans));
  }
}
