package kql

import (
	"bytes"

	"github.com/cockroachdb/apd/v3"
)

// Decimals are kept as text, exact to 34 digits, and calculated by package apd:
// they are rare, and never on the path of a common record.

var decimals = apd.Context{Precision: 34, MaxExponent: 6144, MinExponent: -6143, Rounding: apd.RoundHalfUp, Traps: apd.DefaultTraps &^ (apd.Inexact | apd.Rounded | apd.Subnormal | apd.Underflow)}

func parseDecimal(s []byte) Value {
	d, _, err := decimals.NewFromString(string(bytes.TrimSpace(s)))
	if err != nil || d.Form != apd.Finite {
		return null
	}
	return decimalValue(d)
}

func decimalValue(d *apd.Decimal) Value { return bytesValue(d.Append(nil, 'f')) }

// decimal is the value again as a number to calculate with.
func (v Value) decimal() *apd.Decimal {
	d, _, err := decimals.NewFromString(string(v.S))
	if err != nil {
		return new(apd.Decimal)
	}
	return d
}

// decimalArithmetic applies one of + - * / %; null where the result is none.
func decimalArithmetic(op string, a, b Value) Value {
	var out apd.Decimal
	f := map[string]func(d, x, y *apd.Decimal) (apd.Condition, error){
		"+": decimals.Add, "-": decimals.Sub, "*": decimals.Mul, "/": decimals.Quo, "%": decimals.Rem,
	}[op]
	x, y := a.decimal(), b.decimal()
	if _, err := f(&out, x, y); err != nil {
		return null
	}
	if op == "%" && out.Negative && !out.IsZero() { // as of whole numbers, the result is never negative
		y.Negative = false
		if _, err := decimals.Add(&out, &out, y); err != nil {
			return null
		}
	}
	if op == "/" {
		out.Reduce(&out)
	}
	return decimalValue(&out)
}

// decimalToLong cuts the fraction off.
func decimalToLong(v Value) Value {
	whole := v.S
	if i := bytes.IndexByte(whole, '.'); i >= 0 {
		whole = whole[:i]
	}
	return parseLong(whole)
}
