package main

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
)

//go:embed main.bicep.tmpl
var mainText string

var mainTemplate = template.Must(template.New("main.bicep").Funcs(template.FuncMap{"text": literal, "member": optional, "retentionText": func() string { return retentionText }, "totalRetentionText": func() string { return totalRetentionText },
	"partsOfWorkspace": func() string { return partsOfWorkspace }, "types": deployment.types, "tablesType": deployment.tablesType, "tablesExample": deployment.tablesExample}).Parse(mainText))

// deployment is what main.bicep is made of: all connectors to choose from, or one.
type deployment struct {
	Choice      bool
	Dir         string // from the file to infra/
	Description string
	Functions   string // an older table that one of them has a function for
	Kept        string // a secret that is not required
	Connectors  []deployed
	Others      []deployed // functions of the package that stay off
}

// deployed is a connector in a deployment.
type deployed struct {
	Name, Title string
	Symbol      string // in Bicep
	Function    string
	EnvPrefix   string
	Schedule    string
	Functions   bool
	Tables      []string // those that are made
	Streams     []begun
	Params      []setting
}

// begun is a stream, with the app setting that says where its first run begins.
type begun struct{ Name, Env string }

// setting is a setting of a connector as a parameter.
type setting struct {
	spec.Setting
	Name        string // oktaApiToken
	Env         string // OKTA_API_TOKEN
	SecretName  string // okta-api-token
	Description string
}

// mayBeLeftOut reports whether a deployment need not give it.
func (s setting) mayBeLeftOut() bool { return !s.Required || s.Default != "" }

// Value is the app setting's value. A required secret is always referred to: it may
// have been given in an earlier deployment. Of another that has to be said.
func (s setting) Value(choice bool, symbol string) string {
	value := s.Name
	var conds []string
	if choice {
		conds = append(conds, symbol+"On")
	}
	if s.Secret {
		value = "'@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/${secretPrefix}" + s.SecretName + ")'"
		if !s.Required {
			conds = append(conds, "(!empty("+s.Name+") || contains(keptSecrets, '"+s.SecretName+"'))")
		}
	}
	if len(conds) == 0 {
		return value
	}
	return strings.Join(conds, " && ") + " ? " + value + " : ''"
}

// Type is that of the parameter: where the setting's pattern lists what there is, that.
func (s setting) Type() string {
	m := choices.FindStringSubmatch(s.Pattern)
	if m == nil {
		return "string"
	}
	values := strings.Split(m[1], "|")
	if s.Default == "" && !s.Required {
		values = append(values, "")
	}
	for i, v := range values {
		values[i] = literal(v)
	}
	return strings.Join(values, " | ")
}

var choices = regexp.MustCompile(`^\^\((\w+(?:\|\w+)*)\)\$$`)

// Alarms reports whether Bicep's linter takes a parameter that holds no secret for one,
// by its name.
func (s setting) Alarms() bool { return !s.Secret && soundsSecret.MatchString(s.Name) }

var soundsSecret = regexp.MustCompile(`(?i)password|pwd|secret|accountkey|acctkey`)

func deployedOf(c *spec.Connector) deployed {
	d := deployed{Name: c.Name, Title: c.Title, Symbol: c.ParameterName(""), Function: c.FunctionName(), EnvPrefix: strings.TrimSuffix(c.EnvName("x"), "_X"),
		Schedule: c.Schedule, Functions: len(c.Functions) > 0}
	for _, s := range c.Streams {
		d.Streams = append(d.Streams, begun{s.Name, c.EnvName(s.Name + "_start")})
	}
	for i := range c.Tables {
		if t := &c.Tables[i]; custom(t) {
			d.Tables = append(d.Tables, t.Name)
		}
	}
	for _, s := range c.Settings {
		text := c.Title + ": " + s.Label
		if s.Label == "" {
			text = c.Title + ": " + strings.ReplaceAll(s.Name, "_", " ")
		}
		if s.Help != "" {
			text += ". " + s.Help
		}
		d.Params = append(d.Params, setting{Setting: s, Name: c.ParameterName(s.Name), Env: c.EnvName(s.Name),
			SecretName: strings.ToLower(strings.ReplaceAll(c.EnvName(s.Name), "_", "-")), Description: text})
	}
	return d
}

// types are those that main.bicep imports.
func (d deployment) types() string {
	list := []string{"appSetting", "appSettingValues", "connectorLookbacks", "healthKeeping", "hostingPlan", "networkAccess", "resourceNames", "resourceTags", "tableKeeping"}
	if d.Choice {
		list = append(list, "connectorName", "connectorSchedules")
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// tablesType is the type of the parameter tables: a member for each table.
func (d deployment) tablesType() string {
	var b strings.Builder
	b.WriteString("{\n")
	for _, c := range d.Connectors {
		for _, t := range c.Tables {
			fmt.Fprintf(&b, "  %s: tableKeeping?\n", t)
		}
	}
	return b.String() + "  " + sentinel.HealthTable + ": healthKeeping?\n}"
}

// tablesExample shows how it is written.
func (d deployment) tablesExample() string {
	return `{"` + d.Connectors[len(d.Connectors)/2].Tables[0] + `": {"plan": "Auxiliary", "totalRetention": 730}}`
}

// functionExample is an older table that a connector has a function for, or "".
func functionExample(cs []*spec.Connector) string {
	for _, c := range cs {
		if len(c.Functions) > 0 {
			return c.Functions[0].Name
		}
	}
	return ""
}

// optionalSecret is the name of a secret that a connector does not require, or "".
func optionalSecret(cs []deployed) string {
	for _, c := range cs {
		for _, s := range c.Params {
			if s.Secret && !s.Required {
				return s.SecretName
			}
		}
	}
	return ""
}

// mainBicep is the template with a choice of connectors, or with one.
func mainBicep(d deployment) (string, error) {
	var b strings.Builder
	err := mainTemplate.Execute(&b, d)
	return b.String(), err
}

// choiceOf is the deployment with all connectors to choose from.
func choiceOf(cs []*spec.Connector) deployment {
	d := deployment{Choice: true, Description: "Sluice: security data into Microsoft Sentinel, with any choice of connectors.", Functions: functionExample(cs)}
	for _, c := range cs {
		d.Connectors = append(d.Connectors, deployedOf(c))
	}
	d.Kept = optionalSecret(d.Connectors)
	return d
}

// singleOf is the deployment with one connector of all.
func singleOf(c *spec.Connector, cs []*spec.Connector) deployment {
	d := deployment{Dir: "../../", Description: "Sluice: " + c.Title + " into Microsoft Sentinel.", Functions: functionExample([]*spec.Connector{c}), Connectors: []deployed{deployedOf(c)}}
	for _, other := range cs {
		if other.Name != c.Name {
			d.Others = append(d.Others, deployedOf(other))
		}
	}
	d.Kept = optionalSecret(d.Connectors)
	return d
}
