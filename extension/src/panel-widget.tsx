/** The sidebar's widget: draws the current notebook's stream, only when seen. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import * as React from 'react';
import { flushSync } from 'react-dom';
import { createRoot, type Root } from 'react-dom/client';
import type { Environment } from './components/environment';
import { Panel } from './components/panel';
import { HostWatch, type Subject } from './host-watch';
import { leafIcon } from './icon';
import { LedgerModel } from './ledger';
import { Pace } from './pace';
import type { EnergyServer } from './server';
import { changesIn_s, panelState, type PanelState } from './state';
import type { INotebookStreams, IPreferences } from './tokens';

export const PANEL_ID = 'greenllm-panel';

/** Where no kernel tells of power, and the host's is the next best. */
const WITHOUT_FIGURES: ReadonlySet<PanelState> = new Set<PanelState>([
  'no notebook',
  'no kernel',
  'not python',
  'not answering',
  'not measured'
]);

export interface EnergyPanelOptions {
  streams: INotebookStreams;
  preferences: IPreferences;
  trans: TranslationBundle;
  actions: Environment['actions'];
  server: EnergyServer;
}

export class EnergyPanel extends Widget {
  private readonly _streams: INotebookStreams;
  private readonly _hostWatch: HostWatch;
  /** Replaced when something in it changes: what depends on it is then drawn again. */
  private _environment: Environment;
  private readonly _pace: Pace;
  /** As long as the panel is in the page. */
  private _root: Root | null = null;
  /** What was drawn last, apart from figures. */
  private _drawn = '';
  private readonly _ledger: LedgerModel;
  private readonly _drawAgain = () => this._pace.request();

  constructor({ streams, preferences, trans, actions, server }: EnergyPanelOptions) {
    super();
    this._streams = streams;
    this._hostWatch = new HostWatch(server, () => preferences.current.refreshMs);
    this._ledger = new LedgerModel(server, () => this.isVisible && !document.hidden);
    this._environment = {
      trans,
      actions,
      theme: '',
      preferences: preferences.current,
      ledger: this._ledger
    };
    this._pace = new Pace({
      draw: () => this._draw(),
      isSeen: () => this.isVisible,
      every_ms: () => preferences.current.refreshMs
    });
    this.id = PANEL_ID;
    this.addClass('greenllm-Panel');
    this.title.icon = leafIcon;
    this.title.caption = trans.__('Energy and emissions');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Energy and emissions'));
    streams.changed.connect(() => {
      this._hostWatch.look(this._hostSubject());
      this._pace.request(this._isAnother());
    });
    this._hostWatch.changed.connect(() => this._pace.request());
    preferences.changed.connect(() => {
      this._environment = { ...this._environment, preferences: preferences.current };
      this._pace.request(true);
    });
  }

  /** The theme's name: what is drawn on a canvas has to be drawn again when it changes. */
  set theme(theme: string) {
    this._environment = { ...this._environment, theme };
    this._pace.request(true);
  }

  override dispose(): void {
    this._pace.dispose();
    this._ledger.dispose();
    this._hostWatch.dispose();
    super.dispose();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._onSeen();
  }

  /** Where it is put next, all of it is made anew: what it remembers of the page holds no more. */
  protected override onBeforeDetach(message: Message): void {
    this._hostWatch.look(null);
    this._root?.unmount();
    this._root = null;
    super.onBeforeDetach(message);
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._onSeen();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._hostWatch.look(null);
  }

  /** It is in view: nothing was drawn before. */
  private _onSeen(): void {
    this._hostWatch.look(this._hostSubject());
    this._pace.request(true);
  }

  /** Within the frame at hand: left to itself React takes one for each of its steps. */
  private _draw(): void {
    const { notebook, current } = this._streams;
    this._drawn = this._subject();
    this._pace.requestIn(current?.session ? changesIn_s(current.session) : null);
    this._root ??= createRoot(this.node);
    const root = this._root;
    flushSync(() =>
      root.render(
        <Panel
          view={{
            environment: this._environment,
            notebookName: notebook?.title.label ?? '',
            facts: current?.facts ?? null,
            failure: current?.failure ?? null,
            isLoading: current?.isLoading ?? false,
            hostPower: this._hostWatch.power,
            cellOrder: this._streams.cellOrder,
            drawAgain: this._drawAgain
          }}
        />
      )
    );
  }

  /** Whether more than figures has changed since the panel was drawn. */
  private _isAnother(): boolean {
    return this._subject() !== this._drawn;
  }

  /** Whose host's power to show: none while the panel is hidden, or the kernel tells of its own. */
  private _hostSubject(): Subject | null {
    const { current } = this._streams;
    return this.isVisible && WITHOUT_FIGURES.has(panelState(current?.facts ?? null))
      ? { kernelId: current?.context.session?.kernel?.id ?? null }
      : null;
  }

  /** Which notebook is shown, in which state. */
  private _subject(): string {
    const { notebook, current } = this._streams;
    const state = panelState(current?.facts ?? null);
    const { isLoading, failure } = current ?? {};
    return [notebook?.id, state, isLoading, failure?.reason].join(' ');
  }
}
