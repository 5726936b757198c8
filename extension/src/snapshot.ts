/** Asks a kernel for what it has measured before this page joined. */
import type { Kernel } from '@jupyterlab/services';
import { askKernel } from './control';
import type { SnapshotReply, SnapshotRequest } from './messages';
import { asSnapshotReply } from './validate';

/** A kernel that sends more pages than this is not telling us anything. */
const MAX_PAGES = 500;

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
    const request: SnapshotRequest = { schema: 1, page };
    const answer = await askKernel(kernel, 'greenllm_snapshot_request', request);
    const reply: SnapshotReply | null = asSnapshotReply(answer);
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
