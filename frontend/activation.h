/* activation.h: activation functions by the names that recurrent operators give them. */
#ifndef TN_FRONTEND_ACTIVATION_H
#define TN_FRONTEND_ACTIVATION_H

#include "frontend/compose.h"

typedef struct Activation {
    const char *name;
    bool has_alpha, has_beta; /* it takes the next value of the list of that name */
    double alpha, beta;       /* when there is none */
    Value *(*make)(Call *call, Value *x, double alpha, double beta);
} Activation;

/* The function of that name, upper or lower case; NULL when there is none. */
const Activation *tn_activation(StrView name);
/* The names there are, separated by ", ". */
const char *tn_activation_names(Call *call);

#endif
