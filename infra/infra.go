// Package infra holds the template that deploys Sluice to Azure, so that the binary
// carries the one of its own version.
package infra

import _ "embed"

// Template is the ARM template with a choice of all connectors: azuredeploy.json.
//
//go:embed azuredeploy.json
var Template []byte
