/** Amounts of money as whole millionths: read digit by digit, since 0.1 is no number that a float has. */

const decimals = 6

/** "0.15" is 150,000. For what the schema lets through: at most nine digits, and six after the point. */
export function micros(amount: string): number {
  const [whole = '', fraction = ''] = amount.split('.')
  return Number(whole + fraction.padEnd(decimals, '0'))
}

/** 150,000 is "0.15". */
export function amountText(amountMicros: number): string {
  const digits = String(amountMicros).padStart(decimals + 1, '0')
  const whole = digits.slice(0, -decimals)
  const fraction = digits.slice(-decimals).replace(/0{1,4}$/, '')
  return `${whole}.${fraction}`
}
