package kql

import (
	"slices"
	"strings"
)

// kind says which types an argument may have and what it is converted to. The
// kinds and their rules are those of Microsoft's own parser.
type kind uint8

const (
	kindScalar     kind = iota // as it is
	kindText                   // anything, as text
	kindString                 // string or dynamic, as string
	kindTextual                // string or dynamic, as it is
	kindInteger                // int or long, as long
	kindWhole                  // int or long, as it is
	kindNumber                 // int, long, real or decimal, as it is
	kindReal                   // the same, as real
	kindFloat                  // int, long or real, as real
	kindBool                   // bool
	kindDatetime               // datetime
	kindTimespan               // timespan
	kindGUID                   // guid
	kindDynamic                // dynamic
	kindNotDynamic             // anything but dynamic, as it is
	kindSummable               // a number, a datetime or a timespan, as it is
	kindType                   // typeof(…)
)

const keep Type = 255 // an argument that stays as it is

// kinds are the rules: what a kind is called in signatures, which types it
// takes and what they become, how errors speak of it, and which function makes it.
var kinds = [...]struct {
	names string
	takes func(Type) bool
	as    Type
	wants string
	maker string
}{
	kindScalar:     {"scalar", anyType, keep, "a value", ""},
	kindText:       {"text", anyType, String, "a value", ""},
	kindString:     {"string", isText, String, "a string", "tostring"},
	kindTextual:    {"textual", isText, keep, "a string", "tostring"},
	kindInteger:    {"integer", isWhole, Long, "an integer", "tolong"},
	kindWhole:      {"whole", isWhole, keep, "an integer", "tolong"},
	kindNumber:     {"number", isNumber, keep, "a number", "tolong(…) or todouble"},
	kindReal:       {"real", isNumber, Real, "a number", "todouble"},
	kindFloat:      {"float", func(t Type) bool { return isNumber(t) && t != Decimal }, Real, "a real", "todouble"},
	kindBool:       {"bool", only(Bool), keep, "a bool", "tobool"},
	kindDatetime:   {"datetime", only(Datetime), keep, "a datetime", "todatetime"},
	kindTimespan:   {"timespan", only(Timespan), keep, "a timespan", "totimespan"},
	kindGUID:       {"guid", only(GUID), keep, "a guid", "toguid"},
	kindDynamic:    {"array bag", only(Dynamic), keep, "a dynamic value", "parse_json"},
	kindNotDynamic: {"plain", func(t Type) bool { return t != Dynamic }, keep, "a value that is not dynamic", "tostring"},
	kindSummable:   {"summable", func(t Type) bool { return isNumber(t) || t == Datetime || t == Timespan }, keep, "a number, datetime or timespan", "tolong(…) or todouble"},
	kindType:       {"type", anyType, keep, "typeof(…)", ""},
}

func anyType(Type) bool              { return true }
func only(want Type) func(Type) bool { return func(t Type) bool { return t == want } }

// kindNamed finds the kind that signatures call so.
func kindNamed(name string) (kind, bool) {
	for k := range kinds {
		if slices.Contains(strings.Fields(kinds[k].names), name) {
			return kind(k), true
		}
	}
	return 0, false
}

// takes reports whether an argument of type t will do, and what it becomes.
func (k kind) takes(t Type) (as Type, ok bool) {
	if as = kinds[k].as; as == keep {
		as = t
	}
	return as, kinds[k].takes(t)
}

// converter hints at the function that makes what is wanted.
func converter(k kind, t Type) string {
	maker := kinds[k].maker
	if maker == "" || k == kindDynamic && t != String {
		return ""
	}
	return ": write " + maker + "(…)"
}
