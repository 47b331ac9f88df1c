// Package gpio drives relays and reads senses: lines of the kernel's GPIO
// character device, pins of periph's drivers, I²C port expanders, an INA219,
// the network's carrier.
//
// It knows polarity and contacts, and is the only package that does. Three
// things are kept apart: a line is active or not (active: high|low turns that
// into a level), a relay is energised when its line is active, and its contact
// (no|nc) makes the DUT powered, or its pins shorted, or not. It does not know
// scenarios, nor when a relay may be switched: the guards and the dead man are
// rig's.
//
// What opening does: each line is requested as an output that is already at
// the relay's safe level, in one step, so that no other level is ever driven.
// A relay with Keep is looked at first and left as it is found.
//
// What closing does: each relay goes to its safe state and its line is given
// back. What the line does then is the kernel's: mainline makes it an input,
// and the wiring's pull decides; Raspberry Pi kernels keep driving it
// (persist_gpio_outputs). So Keep survives the end of this program on a Pi's
// own kernel only. Examine tells which one runs.
//
// The trap: a read-back is the level of the line, as the kernel or the expander
// has it. It is never proof of the contact. Nor does owning a line protect it
// from a program that writes the SoC's registers behind the kernel.
package gpio
