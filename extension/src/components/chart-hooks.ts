/** What the charts remember of the page and the pointer: their width, what a drag holds, what was set. */
import * as React from 'react';
import type { Span } from './chart-view';

/** What was set, until it is changed here. */
export function usePreferred(preferred: boolean): [boolean, (value: boolean) => void] {
  const [value, setValue] = React.useState(preferred);
  React.useEffect(() => setValue(preferred), [preferred]);
  return [value, setValue];
}

/** What was shown when the pointer went down: it does not move away under a drag. */
export function useGrabbed(): [Span | null, (span: Span) => void] {
  const [grabbed, setGrabbed] = React.useState<Span | null>(null);
  const grab = React.useCallback((span: Span) => {
    setGrabbed(span);
    // After the chart has taken what was selected.
    const release = () => void window.setTimeout(() => setGrabbed(null));
    window.addEventListener('mouseup', release, { once: true });
  }, []);
  return [grabbed, grab];
}

/** The value there was when the revision changed last. */
export function useAtChange<T>(revision: string, value: T): T {
  return React.useMemo(() => value, [revision]);
}

/** The width of an element, px; 0 until it is known. */
export function useWidth(): [React.RefCallback<HTMLElement>, number] {
  const [width, setWidth] = React.useState(0);
  const observer = React.useRef<ResizeObserver | null>(null);
  const follow = React.useCallback((node: HTMLElement | null) => {
    observer.current?.disconnect();
    if (node) {
      const take = () => {
        // 0: the panel is hidden.
        setWidth(last => node.clientWidth || last);
      };
      observer.current = new ResizeObserver(take);
      observer.current.observe(node);
      take();
    }
  }, []);
  return [follow, width];
}
