#ifndef SYSTEM_CALLS_H
#define SYSTEM_CALLS_H

#include "quickjs.h"

/* The module 'system-calls', as system-calls.d.ts describes it. */
JSModuleDef *system_calls_module(JSContext *context, const char *name, int argc, char **argv);

/* What the program asked to be called when there is nothing left to do at once; JS_UNDEFINED without. */
JSValue system_calls_on_idle(void);

#endif
