/** What JupyterLab's packages expect of a browser and jsdom does not have. */
class DragEventStandIn extends MouseEvent {}

class ResizeObserverStandIn {
  observe(): void {
    // Nothing changes its size here.
  }
  unobserve(): void {
    // As above.
  }
  disconnect(): void {
    // As above.
  }
}

Object.assign(globalThis, {
  DragEvent: DragEventStandIn,
  ResizeObserver: ResizeObserverStandIn,
  IS_REACT_ACT_ENVIRONMENT: true,
  matchMedia: () => new EventTarget(),
  requestIdleCallback: (callback: () => void) => setTimeout(callback, 0)
});
