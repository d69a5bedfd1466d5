package arm

import "testing"

// FuzzExpand: whatever an expression says, it is worked out or a mistake is named.
func FuzzExpand(f *testing.F) {
	for _, s := range []string{`variables('v')`, `if(equals(parameters('a'), 'x'), 'yes', parameters('l')[9])`, `join(map(parameters('l'), lambda('y', concat(lambdaVariables('y'), '+'))), ',')`, `resourceId('A.B/c', 'n')`, `take('abc', sub(0, 1))`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) { _, _ = output(expr, nil) })
}
