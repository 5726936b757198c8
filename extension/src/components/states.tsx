/** What the panel says when there are no figures to show: what it waits for, and what to do. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { PanelState } from '../state';
import type { MeasureFailure } from '../load-extension';
import { useEnvironment, type Actions } from './environment';

/** Code is the same in every language. */
const INSTALL = '%pip install greenllm';

interface Words {
  readonly title: string;
  readonly text: string;
  readonly button?: { readonly label: string; readonly act: (actions: Actions) => void };
}

export interface StateNoteProps {
  state: PanelState;
  failure: MeasureFailure | null;
  isLoading: boolean;
}

export function StateNote({ state, failure, isLoading }: StateNoteProps): React.JSX.Element {
  const { trans, actions } = useEnvironment();
  const { title, text, button } = wordsFor(state, trans);
  return (
    <section className="greenllm-State" data-state={state} role="status">
      <h3>{title}</h3>
      <p>{text}</p>
      {button && (
        <button
          className="jp-mod-styled jp-mod-accept greenllm-State-button"
          disabled={isLoading}
          onClick={() => button.act(actions)}
        >
          {isLoading ? trans.__('Loading…') : button.label}
        </button>
      )}
      {failure && <FailureNote failure={failure} />}
    </section>
  );
}

function FailureNote({ failure }: { failure: MeasureFailure }): React.JSX.Element {
  const { trans } = useEnvironment();
  return (
    <div className="greenllm-Failure" role="alert">
      <strong>{failureTitle(failure, trans)}</strong>
      {failure.reason === 'not installed' && (
        <p>
          {trans.__('Install it in this kernel’s environment with')} <code>{INSTALL}</code>
          {trans.__(', restart the kernel and try again.')}
        </p>
      )}
      {failure.text !== '' && <pre>{failure.text}</pre>}
    </div>
  );
}

function failureTitle(failure: MeasureFailure, trans: TranslationBundle): string {
  switch (failure.reason) {
    case 'not installed':
      return trans.__('GreenLLM is not installed where this kernel runs.');
    case 'failed':
      return trans.__('The kernel could not load GreenLLM.');
    case 'no answer':
      return trans.__('GreenLLM was loaded, but the kernel sends no figures.');
  }
}

function wordsFor(state: PanelState, trans: TranslationBundle): Words {
  const measure = {
    label: trans.__('Measure this notebook'),
    act: (actions: Actions) => actions.measure()
  };
  switch (state) {
    case 'no notebook':
      return {
        title: trans.__('No notebook'),
        text: trans.__('Open a notebook to see what its cells cost in energy and emissions.')
      };
    case 'no kernel':
      return {
        title: trans.__('No kernel'),
        text: trans.__('This notebook has no kernel, so nothing runs that could be measured.'),
        button: { label: trans.__('Start kernel…'), act: actions => actions.selectKernel() }
      };
    case 'kernel starting':
      return {
        title: trans.__('Kernel starting'),
        text: trans.__('The figures come with the first measured cell.')
      };
    case 'kernel restarting':
      return {
        title: trans.__('Kernel restarting'),
        text: trans.__('A new session begins with it; the last one is over.')
      };
    case 'kernel dead':
      return {
        title: trans.__('Kernel dead'),
        text: trans.__('The kernel has died. What it had measured is in the ledger.'),
        button: { label: trans.__('Start kernel…'), act: actions => actions.selectKernel() }
      };
    case 'reconnecting':
      return {
        title: trans.__('Reconnecting…'),
        text: trans.__(
          'The connection to the kernel is lost. Its cells run on and are measured; what it has to say appears once it is reached again.'
        ),
        button: { label: trans.__('Try now'), act: actions => actions.askAgain() }
      };
    case 'server gone':
      return {
        title: trans.__('Server gone'),
        text: trans.__(
          'The Jupyter server does not answer. Start it again, or look at the network between you and it.'
        ),
        button: { label: trans.__('Try now'), act: actions => actions.askAgain() }
      };
    case 'not python':
      return {
        title: trans.__('Not a Python kernel'),
        text: trans.__('GreenLLM measures notebooks with a Python kernel.')
      };
    case 'asking':
      return {
        title: trans.__('Asking the kernel…'),
        text: trans.__('Whether this notebook is measured will show in a moment.')
      };
    case 'not answering':
      return {
        title: trans.__('Kernel busy'),
        text: trans.__(
          'The kernel has not answered while its cell runs. Figures appear here as soon as it sends any; if it is not measured, it can be from its next cell on.'
        ),
        button: measure
      };
    case 'not measured':
      return {
        title: trans.__('Kernel not measured'),
        text: trans.__(
          'Once GreenLLM is loaded in it, every cell is measured until the kernel restarts. The button runs %load_ext greenllm_kernel.'
        ),
        button: measure
      };
    case 'waiting for the first cell':
      return {
        title: trans.__('Measuring'),
        text: trans.__('Run a cell, and what it costs appears here.')
      };
    case 'stale':
      return {
        title: trans.__('No news'),
        text: trans.__(
          'A cell runs, but its kernel has sent nothing for a while: code that never gives Python its turn holds it up, and it comes when that ends. The figures below are the last ones.'
        ),
        button: { label: trans.__('Ask again'), act: actions => actions.askAgain() }
      };
    case 'measured':
      return { title: '', text: '' };
  }
}
