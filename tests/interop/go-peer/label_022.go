//go:build memberlist022

package main

import (
	"log"

	"github.com/hashicorp/memberlist"
)

func setLabel(config *memberlist.Config, label string) { log.Fatal("memberlist 0.2.2 knows no labels") }
