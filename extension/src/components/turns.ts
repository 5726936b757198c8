/** Parts of the panel that take long to draw take turns: not all of them are drawn with the same message. */
import * as React from 'react';

/** How soon what was held back is drawn where no further message comes, ms. */
const AFTER_MS = 300;

/**
 * What each part is to be drawn of: its latest value when it is its turn, or else the one it was drawn of last.
 *
 * @param latest - By part; what has the same value is not drawn again.
 * @param turns - Which parts are drawn at one turn, which at the next, and so on.
 * @param isTogether - Whether all is drawn so seldom that it may be drawn at once.
 * @param drawAgain - Asked for where something has been held back and no further message comes: then all is drawn.
 */
export function useTurns<Values extends object>(
  latest: Values,
  turns: readonly (readonly (keyof Values)[])[],
  isTogether: boolean,
  drawAgain: () => void
): Values {
  const turn = React.useRef(0);
  const drawn = React.useRef(latest);
  const isLate = React.useRef(false);
  const isAll = isTogether || isLate.current;
  isLate.current = false;
  const due = isAll ? turns.flat() : (turns[turn.current++ % turns.length] ?? []);
  const now = { ...drawn.current };
  for (const part of due) {
    now[part] = latest[part];
  }
  drawn.current = now;
  const isBehind = turns.flat().some(part => latest[part] !== now[part]);
  React.useLayoutEffect(() => {
    const rest = () => {
      isLate.current = true;
      drawAgain();
    };
    const timer = isBehind ? window.setTimeout(rest, AFTER_MS) : undefined;
    return () => window.clearTimeout(timer);
  });
  return now;
}
