// Command sluice brings security data into Microsoft Sentinel: it polls the
// REST APIs of providers, keeps its position, normalizes each record and sends
// rows to tables of a Log Analytics workspace.
package main

import (
	"os"

	"github.com/sluice-connectors/sluice/handler/cli"
)

func main() { os.Exit(cli.Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
