#ifndef SYSTEM_CALLS_H
#define SYSTEM_CALLS_H

#include "quickjs.h"

/* The module 'system-calls', as system-calls.d.ts describes it. */
JSModuleDef *system_calls_module(JSContext *context, const char *name);

/* Whose arguments it is asked for. */
void system_calls_begin(int argc, char **argv);

/* What the program asked to be called, first, and when there is nothing left to do at once; else JS_UNDEFINED. */
struct callbacks {
  JSValue on_start, on_idle;
};
extern struct callbacks system_calls_callbacks;

#endif
