/** Asks a kernel over the control channel, which it answers also in the middle of a cell. */
import { PageConfig } from '@jupyterlab/coreutils';
import { KernelMessage, type Kernel } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';

/** What a kernel that is measured understands; each request has the answer "..._reply". */
const REQUEST_TYPES = [
  'greenllm_snapshot_request',
  'greenllm_record_request',
  'greenllm_preferences_request'
] as const;
/** Reply and status travel by different sockets: how long the reply may come after "idle", ms. */
const REPLY_AFTER_IDLE_MS = 500;

/** The connection went down before the answer came, which may never come: the question has to be put again. */
export class LostAnswerError extends Error {
  constructor() {
    super('The connection to the kernel went down before it answered.');
  }
}

/**
 * Wait for a kernel's answer for as long as the connection holds: JupyterLab goes on waiting after it has
 * reconnected, for a reply that may have been lost meanwhile.
 *
 * @param future - What JupyterLab waits with; it is given up with the connection.
 * @throws {@link LostAnswerError}
 */
export function whileConnected<T>(
  kernel: Kernel.IKernelConnection,
  future: IDisposable,
  answer: Promise<T>
): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = (_: unknown, status: Kernel.ConnectionStatus) => {
      if (status !== 'connected') {
        reject(new LostAnswerError());
        future.dispose();
      }
    };
    kernel.connectionStatusChanged.connect(giveUp);
    void answer.then(resolve, reject).finally(() => {
      kernel.connectionStatusChanged.disconnect(giveUp);
    });
  });
}

/**
 * Ask, and wait for the answer.
 *
 * @returns The answer's content, not checked yet; null where the kernel does not know the request.
 * @throws {@link LostAnswerError}
 */
export async function askKernel(
  kernel: Kernel.IKernelConnection,
  type: (typeof REQUEST_TYPES)[number],
  content: object
): Promise<unknown> {
  // The library's types know the standard messages only.
  const message = KernelMessage.createMessage({
    msgType: type as never,
    channel: 'control',
    session: kernel.clientId,
    username: kernel.username,
    content: content as never
  }) as unknown as KernelMessage.IControlMessage;

  const future = kernel.sendControlMessage(message, true, true);
  const answer = new Promise<unknown>(resolve => {
    future.onReply = reply => resolve(reply.content);
    future.onIOPub = status => {
      if (KernelMessage.isStatusMsg(status) && status.content.execution_state === 'idle') {
        window.setTimeout(() => {
          resolve(null);
          future.dispose();
        }, REPLY_AFTER_IDLE_MS);
      }
    };
    future.done.catch(() => resolve(null));
  });
  return whileConnected(kernel, future, answer);
}

/**
 * Keep these requests from changing what the page shows as the kernel's status.
 *
 * A kernel says "busy" and "idle" around every request, also one on the control channel; without
 * this, the "idle" after an answer would mark a kernel as idle whose cell still runs.
 */
export function keepStatusUntouched(): void {
  const option = 'untracked_message_types';
  const types = JSON.parse(PageConfig.getOption(option) || '[]') as string[];
  PageConfig.setOption(option, JSON.stringify([...new Set([...types, ...REQUEST_TYPES])]));
}
