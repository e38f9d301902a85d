// Runs before the first paint, which a module cannot: a chosen theme must not flash the other one.
try {
  const chosen = localStorage.getItem('sluice.theme')
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen
} catch {
  // Storage is switched off: the system's choice stands.
}
