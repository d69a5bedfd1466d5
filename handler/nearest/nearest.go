// Package nearest finds the name that a misspelt one was probably meant to be,
// for error messages that help.
package nearest

import "strings"

// Name returns the member of known that is closest to s by edit distance, or
// "" when none is close.
func Name(s string, known []string) string {
	best, dist := "", max(2, len(s)/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(s), strings.ToLower(k)); d < dist {
			best, dist = k, d
		}
	}
	return best
}

// Hint returns " (did you mean x?)" for the closest name, or "".
func Hint(s string, known []string) string {
	if n := Name(s, known); n != "" {
		return " (did you mean " + n + "?)"
	}
	return ""
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diag := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diag
			if a[i-1] != b[j-1] {
				cost++
			}
			diag = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
