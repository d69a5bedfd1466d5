package kql

import (
	"maps"
	"slices"

	"github.com/sluice-connectors/sluice/handler/nearest"
)

// Constants are what a text can say of the stream that it is compiled for: the
// functions connection(), part() and setting("name"). They are worked out when it
// is compiled.
type Constants struct {
	Connection string
	Part       string            // of a stream that is collected in parts
	Settings   map[string]string // by name, without those that are secret
	Secrets    []string          // names of settings that no row may have
}

// ownFunctions are those of Constants, which Kusto has not.
var ownFunctions = []string{"connection", "part", "setting"}

// ownFunction compiles a call of one of them.
func (c *compiler) ownFunction(x *call) (code, error) {
	own := c.constants
	switch {
	case own == nil:
		return code{}, c.errorf(x.pos, "%s() is a constant of a connection, which the let, where and columns of a connector have; here there is none: write its value", x.fn)
	case x.fn == "setting":
		return c.setting(x)
	case len(x.args) > 0:
		return code{}, c.errorf(x.pos, "%s() takes no arguments", x.fn)
	case x.fn == "part":
		return constant(String, textValue(own.Part)), nil
	}
	return constant(String, textValue(own.Connection)), nil
}

func (c *compiler) setting(x *call) (code, error) {
	if len(x.args) != 1 {
		return code{}, c.errorf(x.pos, `setting("name") does not take %s`, arguments(len(x.args)))
	}
	l, ok := x.args[0].(*literal)
	if !ok || l.val.typ != String {
		return code{}, c.errorf(x.args[0].position(), `setting wants the name of a setting in quotes: setting("name")`)
	}
	name := string(l.val.val.S)
	value, ok := c.constants.Settings[name]
	switch {
	case slices.Contains(c.constants.Secrets, name):
		return code{}, c.errorf(x.args[0].position(), "the setting %s is a secret: no row may have it", name)
	case !ok:
		return code{}, c.errorf(x.args[0].position(), "there is no setting %s%s", name, nearest.Hint(name, slices.Sorted(maps.Keys(c.constants.Settings))))
	}
	return constant(String, textValue(value)), nil
}
