/** Loads GreenLLM in a kernel that has been started without it. */
import type { Kernel } from '@jupyterlab/services';
import { LostAnswerError, whileConnected } from './control';

/** Why "Measure this notebook" did not work. */
export interface MeasureFailure {
  readonly reason: 'not installed' | 'failed' | 'no answer';
  /** What the kernel said, as text. */
  readonly text: string;
}

/** Load it: null once it is loaded, or else why it is not. */
export async function loadExtension(
  kernel: Kernel.IKernelConnection
): Promise<MeasureFailure | null> {
  const future = kernel.requestExecute({
    code: '%load_ext greenllm_kernel',
    silent: true,
    store_history: false,
    allow_stdin: false,
    stop_on_error: false
  });
  try {
    const { content } = await whileConnected(kernel, future, future.done);
    if (content.status === 'ok') {
      return null;
    }
    if (content.status !== 'error') {
      return { reason: 'failed', text: content.status };
    }
    const text = `${content.ename}: ${content.evalue}`;
    const missing = content.ename === 'ModuleNotFoundError' && content.evalue.includes('greenllm');
    return { reason: missing ? 'not installed' : 'failed', text };
  } catch (reason) {
    return reason instanceof LostAnswerError
      ? { reason: 'no answer', text: '' }
      : { reason: 'failed', text: String(reason) };
  }
}
