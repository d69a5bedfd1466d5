package scan

// SkipDamaged returns where the value at or after src[p] ends although Skip
// could not read it, so that what follows can be read all the same: a text may
// hold control characters, unknown escapes and stray quotes, and anything may
// stand for a name or a value (NaN, nested deeper than MaxDepth). ok is false
// where that cannot be told: brackets that do not match, a text without an end.
func SkipDamaged(src []byte, p int) (end int, ok bool) {
	var closing []byte // of the containers that are open
	for p = Space(src, p); p < len(src); {
		switch c := src[p]; c {
		case '{':
			closing = append(closing, '}')
			p++
		case '[':
			closing = append(closing, ']')
			p++
		case '}', ']':
			if len(closing) == 0 || closing[len(closing)-1] != c {
				return 0, false
			}
			closing = closing[:len(closing)-1]
			p++
		case '"':
			if p = damagedText(src, p); p < 0 {
				return 0, false
			}
		case ',', ':', ' ', '\t', '\n', '\r':
			if len(closing) == 0 {
				return 0, false
			}
			p++
			continue
		default:
			p = word(src, p)
		}
		if len(closing) == 0 {
			return p, true
		}
	}
	return 0, false
}

// damagedText returns where the text whose opening quote is at p ends, or -1. A
// quote in the middle of it is one that nothing follows which may follow a text.
func damagedText(src []byte, p int) int {
	for p++; p < len(src); p++ {
		switch src[p] {
		case '\\':
			p++
		case '"':
			next := Space(src, p+1)
			if next == len(src) {
				return p + 1
			}
			switch src[next] {
			case ',', ':', '}', ']':
				return p + 1
			}
		}
	}
	return -1
}

// word returns where the run of bytes at p ends that are no part of the syntax.
func word(src []byte, p int) int {
	for p < len(src) {
		switch src[p] {
		case '{', '}', '[', ']', '"', ',', ':', ' ', '\t', '\n', '\r':
			return p
		}
		p++
	}
	return p
}
