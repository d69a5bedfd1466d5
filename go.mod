module github.com/sluice-connectors/sluice

go 1.26.8
