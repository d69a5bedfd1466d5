package bicep

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// functions are those of ARM that may be called, as Bicep knows them too.
var functions = strings.Fields(`any array base64 bool concat contains createArray createObject deployment empty endsWith environment filter first
	flatten format guid if indexOf int intersection items join json last length map max min newGuid objectKeys padLeft range reduce replace
	resourceGroup resourceId skip split startsWith string subscription subscriptionResourceId substring take tenant toLower toUpper toObject trim
	union uniqueString uri uriComponent`)

var operators = map[string]string{"==": "equals", "&&": "and", "||": "or", "<": "less", "<=": "lessOrEquals", ">": "greater", ">=": "greaterOrEquals",
	"+": "add", "-": "sub", "*": "mul", "/": "div", "%": "mod", "??": "coalesce", "?:": "if", "!": "not"}

// value compiles an expression to what stands in the template's JSON.
func (c *compiler) value(e expr) any {
	switch e := e.(type) {
	case *object:
		o := Object{}
		for _, m := range e.members {
			name := m.name
			if m.key != nil {
				name = expression(c.format(m.key))
			}
			o = append(o, Member{name, c.value(m.value)})
		}
		return o
	case *array:
		list := []any{}
		for _, item := range e.items {
			list = append(list, c.value(item))
		}
		return list
	case *number:
		return e.n
	case *word:
		switch e.name {
		case "null":
			return nil
		default:
			return e.name == "true"
		}
	case *text:
		if len(e.exprs) == 0 {
			return plain(e.parts[0])
		}
	}
	return expression(c.arm(e))
}

// plain is a text as it stands in a template.
func plain(s string) string {
	if strings.HasPrefix(s, "[") {
		return "[" + s
	}
	return s
}

// expression is ARM's spelling of an expression as a JSON string. A plain text
// needs none.
func expression(arm string) string {
	if inner, ok := strings.CutPrefix(arm, "'"); ok && strings.HasSuffix(inner, "'") {
		inner = strings.TrimSuffix(inner, "'")
		if !strings.Contains(strings.ReplaceAll(inner, "''", ""), "'") {
			return plain(strings.ReplaceAll(inner, "''", "'"))
		}
	}
	return "[" + arm + "]"
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// arm compiles an expression to the language of ARM templates.
func (c *compiler) arm(e expr) string {
	switch e := e.(type) {
	case *text:
		return c.format(e)
	case *number:
		return strconv.FormatInt(e.n, 10)
	case *word:
		return e.name + "()"
	case *object:
		args := []string{}
		for _, m := range e.members {
			name := quote(m.name)
			if m.key != nil {
				name = c.format(m.key)
			}
			args = append(args, name, c.arm(m.value))
		}
		return "createObject(" + strings.Join(args, ", ") + ")"
	case *array:
		return "createArray(" + c.list(e.items) + ")"
	case *ident:
		return c.ident(e)
	case *access:
		return c.access(e)
	case *lambda:
		c.locals = append(c.locals, e.param)
		defer func() { c.locals = c.locals[:len(c.locals)-1] }()
		return "lambda(" + quote(e.param) + ", " + c.arm(e.body) + ")"
	case *call:
		return c.call(e)
	case *operation:
		if e.op == "!=" {
			return "not(equals(" + c.list(e.args) + "))"
		}
		if e.op == "-" && len(e.args) == 1 {
			return "sub(0, " + c.list(e.args) + ")"
		}
		return operators[e.op] + "(" + c.list(e.args) + ")"
	}
	panic(fmt.Sprintf("unknown expression %T", e))
}

func (c *compiler) list(es []expr) string {
	var parts []string
	for _, e := range es {
		parts = append(parts, c.arm(e))
	}
	return strings.Join(parts, ", ")
}

var braces = strings.NewReplacer("{", "{{", "}", "}}")

func (c *compiler) format(t *text) string {
	if len(t.exprs) == 0 {
		return quote(t.parts[0])
	}
	var b strings.Builder
	args := []string{""}
	for i, p := range t.parts {
		b.WriteString(braces.Replace(p))
		if i < len(t.exprs) {
			fmt.Fprintf(&b, "{%d}", i)
			args = append(args, c.arm(t.exprs[i]))
		}
	}
	args[0] = quote(b.String())
	return "format(" + strings.Join(args, ", ") + ")"
}

func (c *compiler) ident(e *ident) string {
	if slices.Contains(c.locals, e.name) {
		return "lambdaVariables(" + quote(e.name) + ")"
	}
	if c.loop != nil && c.loop.item == e.name {
		return c.arm(c.loop.list) + "[copyIndex()]"
	}
	s := c.symbols[e.name]
	if s == nil {
		c.errorf(e.pos, "%s is not declared", e.name)
		return "null()"
	}
	c.used[e.name] = true
	switch s.kind {
	case "param":
		return "parameters(" + quote(e.name) + ")"
	case "var":
		if !c.runtime(s.value) {
			return "variables(" + quote(e.name) + ")"
		}
		if slices.Contains(c.inline, e.name) {
			c.errorf(e.pos, "%s refers to itself", e.name)
			return "null()"
		}
		c.inline = append(c.inline, e.name)
		defer func() { c.inline = c.inline[:len(c.inline)-1] }()
		return c.arm(s.value)
	}
	c.errorf(e.pos, "%s is a %s: say which member of it is meant, such as %s.id", e.name, s.kind, e.name)
	return "null()"
}

// runtime reports whether an expression is known only when resources exist; a
// variable of that kind stands where it is used.
func (c *compiler) runtime(e expr) bool {
	switch e := e.(type) {
	case *object:
		return slices.ContainsFunc(e.members, func(m member) bool { return c.runtime(m.value) })
	case *array:
		return slices.ContainsFunc(e.items, c.runtime)
	case *text:
		return slices.ContainsFunc(e.exprs, c.runtime)
	case *ident:
		s := c.symbols[e.name]
		if s == nil || s.kind != "var" || c.visiting[e.name] {
			return c.isResource(e.name)
		}
		c.visiting[e.name] = true
		defer delete(c.visiting, e.name)
		return c.runtime(s.value)
	case *access:
		return c.runtime(e.x) || e.index != nil && c.runtime(e.index)
	case *call:
		return slices.ContainsFunc(e.args, c.runtime)
	case *lambda:
		return c.runtime(e.body)
	case *operation:
		return slices.ContainsFunc(e.args, c.runtime)
	}
	return false
}

func (c *compiler) call(e *call) string {
	switch e.name {
	case "loadTextContent":
		return c.load(e)
	case "any":
		return c.list(e.args)
	}
	if !slices.Contains(functions, e.name) {
		c.errorf(e.pos, "the function %s is not known here", e.name)
	}
	return e.name + "(" + c.list(e.args) + ")"
}

// load puts a file's content into a variable.
func (c *compiler) load(e *call) string {
	if len(e.args) != 1 || literal(e.args[0]) == "" {
		c.errorf(e.pos, "loadTextContent takes the name of a file")
		return "null()"
	}
	data, err := c.read(path.Join(path.Dir(c.path), literal(e.args[0])))
	if err != nil {
		c.errorf(e.pos, "%v", err)
	}
	name := fmt.Sprintf("$fxv#%d", len(c.files))
	for _, f := range c.files {
		if f.Value == any(plain(string(data))) {
			return "variables(" + quote(f.Name) + ")"
		}
	}
	c.files = append(c.files, Member{name, plain(string(data))})
	return "variables(" + quote(name) + ")"
}

func (c *compiler) access(e *access) string {
	if e.index != nil && e.safe {
		return "tryGet(" + c.arm(e.x) + ", " + c.arm(e.index) + ")"
	}
	if e.index != nil {
		return c.arm(e.x) + "[" + c.arm(e.index) + "]"
	}
	if e.safe {
		return "tryGet(" + c.arm(e.x) + ", " + quote(e.name) + ")"
	}
	if id, ok := e.x.(*ident); ok && c.isResource(id.name) && !slices.Contains(c.locals, id.name) {
		return c.member(id, e)
	}
	arm := c.arm(e.x) + "." + e.name
	if outputs, ok := e.x.(*access); ok && outputs.name == "outputs" {
		if id, ok := outputs.x.(*ident); ok && c.isResource(id.name) {
			arm += ".value"
		}
	}
	return arm
}

// member is a member of a resource or module.
func (c *compiler) member(id *ident, e *access) string {
	s := c.symbols[id.name]
	c.need(id.name)
	typ, version, _ := strings.Cut(s.typ, "@")
	switch {
	case s.kind == "module" && e.name == "outputs":
		return "reference(" + c.id(s) + ", " + quote(deployments) + ").outputs"
	case s.kind == "module":
		c.errorf(e.pos, "a module has outputs only")
		return "null()"
	case e.name == "id":
		return c.id(s)
	case e.name == "name":
		names := c.names(s)
		return names[len(names)-1]
	case e.name == "type":
		return quote(typ)
	case e.name == "properties":
		return "reference(" + c.id(s) + ", " + quote(version) + ")"
	}
	return "reference(" + c.id(s) + ", " + quote(version) + ", 'full')." + e.name
}

// symbolID is the id of the resource that an expression names.
func (c *compiler) symbolID(e expr) string {
	if id, ok := e.(*ident); ok && c.isResource(id.name) && c.symbols[id.name].pos < e.at() {
		c.need(id.name)
		return c.id(c.symbols[id.name])
	}
	c.errorf(e.at(), "expected the name of a resource that is declared before")
	return "null()"
}

// id is the id of a resource or module as an expression.
func (c *compiler) id(s *statement) string {
	if s.kind == "module" {
		if sub, group := c.scopeOf(s); group != "" {
			if sub == "" {
				sub = "subscription().subscriptionId"
			}
			return "extensionResourceId(format('/subscriptions/{0}/resourceGroups/{1}', " + sub + ", " + group + "), 'Microsoft.Resources/deployments', " + c.moduleName(s) + ")"
		}
		return "resourceId('Microsoft.Resources/deployments', " + c.moduleName(s) + ")"
	}
	typ, _, _ := strings.Cut(s.typ, "@")
	names := strings.Join(c.names(s), ", ")
	root := s
	for p := c.parent(root); p != nil; p = c.parent(root) {
		root = p
	}
	switch scope := root.body.get("scope").(type) {
	case nil:
		return "resourceId(" + quote(typ) + ", " + names + ")"
	case *call: // resourceGroup(subscription, name)
		if scope.name != "resourceGroup" || len(scope.args) == 0 {
			c.errorf(scope.pos, "want scope: resourceGroup(subscription, name), or the name of a resource")
		}
		return "resourceId(" + c.list(scope.args) + ", " + quote(typ) + ", " + names + ")"
	default:
		return "extensionResourceId(" + c.symbolID(scope) + ", " + quote(typ) + ", " + names + ")"
	}
}

func (c *compiler) parent(s *statement) *statement {
	id, ok := s.body.get("parent").(*ident)
	if !ok {
		return nil
	}
	p := c.symbols[id.name]
	if p == nil || p.kind != "resource" || p == s || p.pos > s.pos {
		c.errorf(id.pos, "%s is no resource that is declared before", id.name)
		return nil
	}
	c.need(id.name)
	return p
}

// names are the names of a resource and of those that it is a part of.
func (c *compiler) names(s *statement) []string {
	name := s.body.get("name")
	if name == nil || c.visiting[s.name] {
		c.errorf(s.pos, "%s needs a name, and one that does not depend on itself", s.name)
		return []string{"null()"}
	}
	c.visiting[s.name] = true
	own := c.arm(name)
	delete(c.visiting, s.name)
	if p := c.parent(s); p != nil {
		return append(c.names(p), own)
	}
	return []string{own}
}

// fullName is the name of a resource with those of its parents.
func (c *compiler) fullName(s *statement) string {
	names := c.names(s)
	if len(names) == 1 {
		return names[0]
	}
	var b strings.Builder
	for i := range names {
		if i > 0 {
			b.WriteByte('/')
		}
		fmt.Fprintf(&b, "{%d}", i)
	}
	return "format(" + quote(b.String()) + ", " + strings.Join(names, ", ") + ")"
}

// moduleName is the name of a module's deployment: as given, or one that is its own.
func (c *compiler) moduleName(s *statement) string {
	if s.body.get("name") != nil {
		return c.names(s)[0]
	}
	return "format('" + s.name + "-{0}', uniqueString('" + s.name + "', deployment().name))"
}

// scopeOf is the subscription and resource group that a module is deployed to;
// "" is the deployment's own.
func (c *compiler) scopeOf(s *statement) (sub, group string) {
	scope, ok := s.body.get("scope").(*call)
	if !ok {
		return "", ""
	}
	if scope.name != "resourceGroup" || len(scope.args) == 0 || len(scope.args) > 2 {
		c.errorf(scope.pos, "want scope: resourceGroup(subscription, name)")
		return "", ""
	}
	if len(scope.args) == 2 {
		return c.arm(scope.args[0]), c.arm(scope.args[1])
	}
	return "", c.arm(scope.args[0])
}
