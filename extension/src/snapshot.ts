/** Asks a kernel, over the control channel, for what it has measured before this page joined. */
import { PageConfig } from '@jupyterlab/coreutils';
import { KernelMessage, type Kernel } from '@jupyterlab/services';
import { asSnapshotReply } from './validate';
import type { SnapshotReply, SnapshotRequest } from './messages';

const REQUEST_TYPE = 'greenllm_snapshot_request';
/** A kernel that sends more pages than this is not telling us anything. */
const MAX_PAGES = 500;
/** Reply and status travel by different sockets: how long the reply may come after "idle", ms. */
const REPLY_AFTER_IDLE_MS = 500;

/**
 * Ask for every page, one after the other.
 *
 * @param kernel - Whom to ask; it answers in the middle of a cell, but for a page that has just been
 *   loaded the server holds the request back until the cell ends.
 * @param onPage - Called with each page as it comes; false stops asking.
 * @returns Whether the kernel answered; false where it does not know the request.
 */
export async function askForSnapshot(
  kernel: Kernel.IKernelConnection,
  onPage: (reply: SnapshotReply) => boolean
): Promise<boolean> {
  let page: number | null = 0;
  for (let count = 0; page !== null && count < MAX_PAGES; count++) {
    const reply: SnapshotReply | null = await request(kernel, page);
    if (reply?.status !== 'ok') {
      return count > 0;
    }
    if (!onPage(reply)) {
      return true;
    }
    page = reply.next_page;
  }
  return true;
}

/**
 * Keep the request from changing what the page shows as the kernel's status.
 *
 * A kernel says "busy" and "idle" around every request, also one on the control channel; without
 * this, the "idle" after a snapshot would mark a kernel as idle whose cell still runs.
 */
export function keepStatusUntouched(): void {
  const option = 'untracked_message_types';
  const types = JSON.parse(PageConfig.getOption(option) || '[]') as string[];
  if (!types.includes(REQUEST_TYPE)) {
    PageConfig.setOption(option, JSON.stringify([...types, REQUEST_TYPE]));
  }
}

function request(kernel: Kernel.IKernelConnection, page: number): Promise<SnapshotReply | null> {
  const content: SnapshotRequest = { schema: 1, page };
  // The library's types know the standard messages only.
  const message = KernelMessage.createMessage({
    msgType: REQUEST_TYPE as never,
    channel: 'control',
    session: kernel.clientId,
    username: kernel.username,
    content: content as never
  }) as unknown as KernelMessage.IControlMessage;

  return new Promise(resolve => {
    const future = kernel.sendControlMessage(message, true, true);
    future.onReply = reply => resolve(asSnapshotReply(reply.content));
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
}
